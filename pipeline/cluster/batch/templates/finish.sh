#!/bin/bash
{{options}}

# Runs when every task has ended, however it ended: fits heads and writes the matrix if no shard is
# missing, else says what is missing and submits it again where it may.
# Written by `a2pipe submit`.
cache={{cache}}
jobs={{folder}}
note={{token}}
say() { echo "finish, $(hostname), $(date -u +%FT%TZ): $*" >&2; }

for _ in 1 2 3 4 5 6; do [ -e "$note" ] || sleep 5; done
if [ ! -e "$note" ]; then
    echo "a2pipe: $(hostname) does not see the cache $cache of the machine that submitted this job:" \
        "put it on a file system that every node shares, with --cache." >&2
    exit 1
fi

{{setup}}
export OMP_NUM_THREADS={{cores}}

say "begins"
a2pipe finish "$jobs/experiment.toml" --cluster "$jobs/cluster.toml" \
    --cache "$cache" --out {{out}} --resubmit {{resubmit}}
code=$?
say "ended with exit code $code"
exit "$code"
