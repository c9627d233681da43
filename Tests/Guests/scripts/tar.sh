# Archives by way of compressors.
mkdir -p a/x b; for i in 1 2 3; do seq $i 3000 > a/x/$i; done; ln -s x a/l
for z in gzip xz zstd; do
    tar -I $z -cf a.tar.$z a && tar -tf a.tar.$z && tar -xf a.tar.$z -C b && diff -r a b/a && echo same $z; rm -r b/a
done
tar -cf - a | gzip -9 | gunzip | tar -tvf - | wc -l
exit 5
