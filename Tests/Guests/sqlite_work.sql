-- For the sqlite3 shell: sqlite3 FILE < sqlite_work.sql, on a file that does not exist yet or on :memory:.
-- Random rows, the time, queries over them, and a transaction rolled back. Everything printed differs between runs.
PRAGMA journal_mode = WAL;
CREATE TABLE account (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, balance INTEGER NOT NULL, opened TEXT NOT NULL);
CREATE TABLE transfer (id INTEGER PRIMARY KEY, source INTEGER, target INTEGER, amount INTEGER, made TEXT);
CREATE INDEX transfer_by_source ON transfer (source);

WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 5000)
INSERT INTO account (owner, balance, opened)
SELECT 'owner ' || lower(hex(randomblob(4))), abs(random()) % 100000, datetime('now') FROM counter;

WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 5000)
INSERT INTO transfer (source, target, amount, made)
SELECT 1 + abs(random()) % 5000, 1 + abs(random()) % 5000, abs(random()) % 1000, strftime('%Y-%m-%d %H:%M:%f', 'now')
FROM counter;

SELECT 'accounts', count(*), sum(balance), min(opened), max(opened) FROM account;
SELECT 'transfers', count(*), sum(amount), min(made), max(made) FROM transfer;

BEGIN;
UPDATE account SET balance = balance - (SELECT coalesce(sum(amount), 0) FROM transfer WHERE source = account.id);
SELECT 'overdrawn', count(*) FROM account WHERE balance < 0;
ROLLBACK;
SELECT 'overdrawn after rollback', count(*) FROM account WHERE balance < 0;

SELECT 'top', owner, balance FROM account ORDER BY balance DESC, id LIMIT 5;
SELECT 'busiest', source, count(*), sum(amount) FROM transfer GROUP BY source ORDER BY 3 DESC, 4 DESC, 2 LIMIT 5;
SELECT 'joined', a.owner, b.owner, t.amount FROM transfer t
JOIN account a ON a.id = t.source JOIN account b ON b.id = t.target ORDER BY t.amount DESC, t.id LIMIT 5;
SELECT 'any', id, owner FROM account ORDER BY random() LIMIT 5;
DELETE FROM transfer WHERE random() % 2 = 0;
SELECT 'kept', count(*) FROM transfer;
VACUUM;
SELECT 'done', datetime('now'), changes(), sqlite_version();
