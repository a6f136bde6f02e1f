
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
{{progress}}
if [ -n "$stopped" ] && [ "$code" -ne 0 ] && [ "$(state)" = RUNNING ] &&
    { [ "$SECONDS" -lt {{half}} ] || progress; }; then
    say "goes back into the queue"
    scontrol requeue "$me"
fi
