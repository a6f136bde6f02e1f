#!/bin/bash
{{options}}

# Task R of {{world}} computes the missing shards whose number{{block}} leaves R when divided by {{world}}.
# Written by `a2pipe submit`, which may be run again at any time for what is then still missing.
{{rank}}
cache={{cache}}
jobs={{folder}}
note={{token}}
say() { echo "task $rank of {{world}}, $(hostname), $(date -u +%FT%TZ): $*" >&2; }

# Told to stop, a2pipe finishes the shard it writes, drops the one it computes, and exits with 143.
child=
stopped=
trap 'stopped=yes; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM USR1

# A shared file system may show a new file late; a folder that is not shared never shows it.
for _ in 1 2 3 4 5 6; do [ -e "$note" ] || sleep 5; done
if [ ! -e "$note" ]; then
    echo "a2pipe: $(hostname) does not see the cache $cache of the machine that submitted this job:" \
        "put it on a file system that every node shares, with --cache." >&2
    exit 1
fi

{{setup}}
export OMP_NUM_THREADS={{cores}}

began=$(date +%s)
say "begins"
{{limit}}a2pipe run "$jobs/experiment.toml" --cache "$cache" \
    --rank "$rank" --world-size {{world}} &
child=$!
[ -z "$stopped" ] || kill -TERM "$child"
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
done
{{again}}
say "ended with exit code $code"
exit "$code"
