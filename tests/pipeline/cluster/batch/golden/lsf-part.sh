#!/bin/bash
#BSUB -J "birds[1,3]"
#BSUB -o /shared/results/birds/jobs/20260102T030405Z-abc123/logs/tasks-2-%I.log
#BSUB -W 04:00
#BSUB -n 4
#BSUB -R "span[hosts=1] rusage[mem=16GB]"
#BSUB -M 16GB
#BSUB -Q 99
#BSUB -r

# Task R of 7 computes the missing shards whose number leaves R when divided by 7.
# Written by `a2pipe submit`, which may be run again at any time for what is then still missing.
rank=$((4 + LSB_JOBINDEX - 1))
cache=/shared/a2pipe
jobs=/shared/results/birds/jobs/20260102T030405Z-abc123
note=/shared/a2pipe/jobs/birds/20260102T030405Z-abc123.json
say() { echo "task $rank of 7, $(hostname), $(date -u +%FT%TZ): $*" >&2; }

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

export PATH=/shared/venv/bin:$PATH
export OMP_NUM_THREADS=4

began=$(date +%s)
say "begins"
timeout 14280 a2pipe run "$jobs/experiment.toml" --cache "$cache" \
    --rank "$rank" --world-size 7 &
child=$!
[ -z "$stopped" ] || kill -TERM "$child"
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
done

# Out of time (124, of timeout), the task goes back into the queue with the code that #BSUB -Q names;
# not so if it committed nothing meanwhile, as it would commit nothing again.
progress() {
    find "$cache/" -mindepth 5 -maxdepth 5 -path '*/done/[0-9]*.json' \
        -newermt "@$began" -printf '%f\n' |
        awk -v rank="$rank" '($0 + 0) % 7 == rank { found = 1 } END { exit !found }'
}
if [ "$code" -eq 124 ] && progress; then
    code=99
fi
say "ended with exit code $code"
exit "$code"
