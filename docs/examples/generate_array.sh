#!/bin/bash
#SBATCH --array=0-15
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
# A run of melodies as a Slurm array, a part a task; what is asked stands behind the script's name:
#
#     sbatch --export=ALL,TOTAL=16000,SEED=7 generate_array.sh --scale "c minor"
#     melodylc manifest join parts/* -o melodies      # when all tasks are done
set -euo pipefail
total=${TOTAL:?melodies of the whole run} seed=${SEED:?the seed, the same for all tasks}
tasks=${SLURM_ARRAY_TASK_COUNT:-16} task=${SLURM_ARRAY_TASK_ID:?this is a task of an array}
each=$((((total + tasks - 1) / tasks + 7) / 8 * 8)) # whole groups of eight: that's how melodies are written
first=$((1 + task * each))
((first <= total)) || exit 0
count=$((first + each - 1 <= total ? each : total - first + 1))
export OMP_NUM_THREADS=1
exec melodylc generate "$@" --seed "$seed" --first "$first" -n "$count" --of "$total" -o "parts/$task"
