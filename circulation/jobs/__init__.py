"""Long work that is asked for over HTTP and done by a worker: imports, exports, anonymising.

1. `services` writes a job down, with its files (`store`), in the transaction of whoever asks;
2. `running` does it, on whatever worker takes its lease (`lease`): `importing`, `exporting`, `forgetting`;
3. whatever ends a worker leaves the job to the next one, which begins where the last transaction ended.

The database is all that the web server and the workers share.
"""
