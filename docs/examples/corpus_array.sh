#!/bin/bash
#SBATCH --array=0-15
#SBATCH --cpus-per-task=4
# A corpus as a Slurm array, a shard a task; folders and archives stand behind the script's name:
#
#     sbatch corpus_array.sh midi/*
#     melodylc data merge shards/* -o corpus      # when all tasks are done
set -euo pipefail
tasks=${SLURM_ARRAY_TASK_COUNT:-16} task=${SLURM_ARRAY_TASK_ID:?this is a task of an array}
mkdir -p shards
exec melodylc data build "$@" --shard "$((task + 1))/$tasks" --workers "${SLURM_CPUS_PER_TASK:-1}" -o "shards/$task"
