#!/bin/bash
#SBATCH --job-name=birds
#SBATCH --array=0-7%4
#SBATCH --output=/shared/results/birds/jobs/20260102T030405Z-abc123/logs/tasks-1-%a.log
#SBATCH --open-mode=append
#SBATCH --partition=gpu
#SBATCH --account=vision
#SBATCH --time=1-12:00:00
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --gres=gpu:1
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --constraint=a100

# Task R of 8 computes the missing shards whose number leaves R when divided by 8.
# Written by `a2pipe submit`, which may be run again at any time for what is then still missing.
rank=$((SLURM_ARRAY_TASK_ID))
cache=/shared/a2pipe
jobs=/shared/results/birds/jobs/20260102T030405Z-abc123
note=/shared/a2pipe/jobs/birds/20260102T030405Z-abc123.json
say() { echo "task $rank of 8, $(hostname), $(date -u +%FT%TZ): $*" >&2; }

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

module load cuda/12
source /shared/venv/bin/activate
export OMP_NUM_THREADS=8

began=$(date +%s)
say "begins"
a2pipe run "$jobs/experiment.toml" --cache "$cache" \
    --rank "$rank" --world-size 8 &
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
        awk -v rank="$rank" '($0 + 0) % 8 == rank { found = 1 } END { exit !found }'
}
if [ -n "$stopped" ] && [ "$code" -ne 0 ] && [ "$(state)" = RUNNING ] &&
    { [ "$SECONDS" -lt 64710 ] || progress; }; then
    say "goes back into the queue"
    scontrol requeue "$me"
fi
say "ended with exit code $code"
exit "$code"
