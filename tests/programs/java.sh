# SPDX-License-Identifier: MIT
# image: vm
# mem: 3000
# A Java program, compiled and run: threads, a map, garbage, a file.

cat >Hello.java <<'J'
import java.util.*; import java.util.concurrent.*; import java.nio.file.*;
public class Hello {
    public static void main(String[] args) throws Exception {
        System.out.println("Hello, world");
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Integer>> parts = new ArrayList<>();
        for (int i = 0; i < 8; i++) { final int n = i; parts.add(pool.submit(() -> n * n)); }
        int sum = 0; for (Future<Integer> part : parts) sum += part.get(); pool.shutdown();
        Map<String, byte[]> map = new HashMap<>(); for (int i = 0; i < 20000; i++) map.put("k" + i % 100, new byte[1000]);
        Files.writeString(Path.of("file"), "text"); System.out.println(sum + " " + map.size() + " " + Files.size(Path.of("file")));
        System.exit(3);
    }
}
J
javac Hello.java; echo "status $?"; java -Xmx128m Hello; echo "status $?"
