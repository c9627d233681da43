# git on local repositories.
set -e
git init -q -b main one; cd one; git config user.name A; git config user.email a@b
for i in 1 2 3 4 5; do seq $i 500 > f$i; git add .; git commit -q -m "number $i"; done
cd ..; git clone -q one two; cd two; git config user.name B; git config user.email b@b
echo x >> f1; git commit -q -am more; git push -q origin main:more
git gc -q; git log --oneline | wc -l; git fsck; git diff HEAD~2 --stat | tail -1
git branch other HEAD~1; git rebase -q other
# With color.ui=auto the threads of git grep race for a variable: the first asks whether there is a terminal (README, limits).
git -c color.ui=false grep -c 500; git stash list
exit 5
