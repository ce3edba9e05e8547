-- The router's role and database. Run by the image when the volume is new; harmless to run again,
-- which is how the role gets a new password (docs/install.md).
\set password `cat /secrets/postgres/router-password`
SELECT 'CREATE ROLE router LOGIN'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'router') \gexec
ALTER ROLE router PASSWORD :'password';
SELECT 'CREATE DATABASE router OWNER router'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'router') \gexec
