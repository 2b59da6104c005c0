# SPDX-License-Identifier: MIT
# image: vm
# mem: 3000
# node with worker threads, child processes, streams and files.

cat >work.js <<'J'
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const fs = require('fs'), { execFileSync } = require('child_process'), zlib = require('zlib');
if (!isMainThread) {
    let sum = 0;
    for (let i = 0; i < 200000; i++) sum += i % (workerData + 2);
    parentPort.postMessage(sum);
} else {
    (async () => {
        const sums = await Promise.all([0, 1, 2, 3].map(n => new Promise((ok, bad) => {
            const w = new Worker(__filename, { workerData: n }); w.on('message', ok); w.on('error', bad);
        })));
        console.log('workers', sums.join(' '));
        fs.writeFileSync('file', 'x'.repeat(100000));
        console.log('file', fs.statSync('file').size, zlib.gunzipSync(zlib.gzipSync(fs.readFileSync('file'))).length);
        console.log('child', execFileSync('seq', ['3']).toString().trim().split('\n').join());
        await new Promise(ok => setTimeout(ok, 20));
        console.log('promises', await fs.promises.readFile('file', 'utf8').then(s => s.length));
    })();
}
J
node work.js; echo "status $?"
echo 'process.stdin.on("data", d => process.stdout.write(d.toString().toUpperCase()))' >upper.js; echo piped | node upper.js
node -e 'process.exit(9)'; echo "status $?"
