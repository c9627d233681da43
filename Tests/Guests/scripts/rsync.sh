# rsync between two directories.
mkdir -p a/x; for i in 1 2 3; do seq $i 3000 > a/x/$i; done; ln -s x a/l
rsync -a --stats a/ b | grep 'Number of'; echo more >> a/x/1; rsync -ai --delete a/ b; diff -r a b && echo same
exit 5
