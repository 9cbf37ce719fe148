"""Where pieces of work are done: in processes of this machine, as jobs of Slurm, on a cluster of Ray's."""
