# SPDX-License-Identifier: MIT
# image: work
# git: init, add, commit, branches, merges, rebase, log, blame, stash, gc, clone, fetch and push
# between local repositories, bisect, worktrees, fsck.

export HOME=$PWD GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
git config --global user.name Tester; git config --global user.email tester@example.org
git config --global init.defaultBranch main; git config --global advice.detachedHead false
git init -q one && cd one || exit 1
for i in $(seq 1 20); do mkdir -p "d$i"; for j in $(seq 1 15); do seq "$i" $((i * j + 20)) >"d$i/f$j"; done; done
git add . && git commit -qm first && git rev-parse HEAD && git ls-files | wc -l
for i in $(seq 1 12); do echo "line $i" >>"d1/f$i"; git commit -qam "change $i"; done
git log --oneline | cat; git log --format=%s -- d1/f3; git diff --stat HEAD~3 | cat
git status --short; echo new >new; echo more >>d2/f2; rm d3/f3; git status --short
git stash -qu && git status --short && git stash pop -q && git status --short
git add -A && git commit -qm second
git checkout -qb side HEAD~2 && echo side >side && git add side && git commit -qm side
echo other >>d1/f1 && git commit -qam "side edits"
git checkout -q main && git merge -q --no-edit side && git log --graph --format=%s -5 | cat
git checkout -qb conflict HEAD~1 && echo theirs >>d1/f1 && git commit -qam theirs
git merge main >/dev/null 2>&1; echo "merge $?"; grep -c '<<<<' d1/f1; git merge --abort
git rebase -q main >/dev/null 2>&1; echo "rebase $?"; git rebase --abort
git checkout -q main; git blame -s d1/f5 | tail -n 2; git grep -c 'line 1' | head -n 3
git tag -a v1 -m 'a tag' && git describe && git show -s --format=%T v1^{commit}
git mv d20 moved && git commit -qm moved && git log --follow --format=%s moved/f1
for i in $(seq 1 60); do echo "$i" >counter; git add counter; git commit -qm "count $i"; done
git bisect start -q HEAD HEAD~50 >/dev/null; git bisect run sh -c '[ "$(cat counter)" -lt 37 ]' 2>/dev/null | grep -a 'is the first bad' | cut -c41-; git bisect reset -q
git gc -q; echo "gc $?"; git count-objects -v | grep -E 'count|packs|garbage'; git fsck --full 2>&1; echo "fsck $?"
cd .. && git clone -q one two && cd two && git rev-parse HEAD && git status --short && git branch -r | cat
echo pushed >pushed && git add pushed && git commit -qm pushed && git push -q origin HEAD:refs/heads/pushed; echo "push $?"
cd ../one && git log -1 --format=%s pushed && git worktree add -q ../three pushed && cat ../three/pushed
cd .. && git clone -q --bare --no-hardlinks "file://$PWD/one" bare.git && git -C bare.git rev-parse main && git -C bare.git count-objects -v | grep packs
git clone -q --depth 3 "file://$PWD/bare.git" shallow; git -C shallow log --oneline | wc -l
git -C one bundle create -q ../all.bundle main 2>/dev/null; git clone -q -b main all.bundle four; git -C four rev-parse HEAD
git -C one archive main d1 | tar t | wc -l
git -C one repack -adfq --threads=4; git -C one fsck; echo "fsck $?"
head -c 3000000 /dev/zero | tr '\0' x >one/big; git -C one add big; git -C one commit -qm big; git -C one cat-file -s HEAD:big
git -C one format-patch -q -1 HEAD~1 -o .. && ls ../ 2>/dev/null | grep -c patch; ls ./*.patch 2>/dev/null | wc -l
