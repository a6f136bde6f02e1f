#!/bin/bash
#SBATCH --job-name=birds
#SBATCH --array=0,2
#SBATCH --output=/shared/results/birds/jobs/20260102T030405Z-abc123/logs/tasks-2-%a.log
#SBATCH --open-mode=append
#SBATCH --time=04:00:00
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --signal=B:USR1@120
#SBATCH --requeue

# Task R of 7 computes the missing shards whose number leaves R when divided by 7.
# Written by `a2pipe submit`, which may be run again at any time for what is then still missing.
rank=$((4 + SLURM_ARRAY_TASK_ID))
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
a2pipe run "$jobs/experiment.toml" --cache "$cache" \
    --rank "$rank" --world-size 7 &
child=$!
[ -z "$stopped" ] || kill -TERM "$child"
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
done

# Stopped by its time limit or for another job, the task goes back into the queue; not so if it was
# cancelled, or committed nothing in half the time it has to work or more, as it would do again.
# SLURM_JOB_ID does not do: for the task that starts last it is the number of the whole array.
me="${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
state() {
    for _ in 1 2 3 4 5; do
        squeue --noheader --jobs="$me" --format=%T && return
        sleep $((1 + RANDOM % 5))
    done
}
progress() {
    find "$cache/" -mindepth 5 -maxdepth 5 -path '*/done/[0-9]*.json' \
        -newermt "@$began" -printf '%f\n' |
        awk -v rank="$rank" '($0 + 0) % 7 == rank { found = 1 } END { exit !found }'
}
if [ -n "$stopped" ] && [ "$code" -ne 0 ] && [ "$(state)" = RUNNING ] &&
    { [ "$SECONDS" -lt 7110 ] || progress; }; then
    say "goes back into the queue"
    scontrol requeue "$me"
fi
say "ended with exit code $code"
exit "$code"
