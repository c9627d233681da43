-- For the sqlite3 shell: makes a database of ROWS rows in a file, beyond the size of its cache, and reads, searches and
-- changes it, in small transactions, too. Prints the same each time.
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL);
CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL);

WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ROWS)
INSERT INTO item SELECT n, printf('item %d %80s', n * 7919 % 65521, n), n * 104729 % 10007 FROM counter;
CREATE INDEX item_by_size ON item (size);

-- From one end of the file to the other and back.
SELECT count(*), sum(length(b.name)) FROM item a JOIN item b ON b.id = a.id * 7919 % ROWS + 1;
SELECT size, count(*) FROM item WHERE size BETWEEN 100 AND 110 GROUP BY size;
SELECT name FROM item ORDER BY name LIMIT 3;

INSERT INTO note VALUES (1, 'one');
INSERT INTO note VALUES (2, 'two');
UPDATE note SET text = text || ' more' WHERE id = 1;
DELETE FROM note WHERE id = 2;
UPDATE item SET size = size + 1 WHERE id % 10 = 0;
SELECT sum(size), (SELECT text FROM note) FROM item;
DELETE FROM item WHERE id % 2 = 0;
SELECT count(*) FROM item;
VACUUM;
PRAGMA integrity_check;
