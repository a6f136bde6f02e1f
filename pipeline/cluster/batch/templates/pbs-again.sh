
# Out of time (124, of timeout), the task ends; the finishing job submits what is then missing.
