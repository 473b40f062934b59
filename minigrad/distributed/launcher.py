"""How many processes a launcher (mpiexec, mpirun, srun) started, and the MPI that connects them.

- `processes_launched`: read from the environment, before mpi4py is imported.
- `connect`: what connects them, or an error that says what is wrong with the installation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpi4py import MPI

# Who sets which: Hydra (MPICH, Intel MPI) and srun with PMI-2; Open MPI; MVAPICH2; srun. What MPIs
# set comes first: Hydra and Open MPI start their helpers by srun, one on every machine, and the
# processes see its number too. A batch script of Slurm has no step, so it counts as one process.
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


def processes_launched(environment: Mapping[str, str]) -> int | None:
    """How many a launcher started; 1 in a plain process, None where only MPI itself knows.

    >>> processes_launched({}), processes_launched({"PMI_SIZE": "3", "PMI_RANK": "0"})
    (1, 3)
    """
    if environment.get("MINIGRAD_DISTRIBUTED") == "0":
        return 1
    for name in SIZES:
        if name in environment:
            return int(environment[name])
    return None if "PMIX_RANK" in environment else 1


def connect(launched: int | None) -> MPI.Intracomm | None:
    """Start MPI. What connects the ranks; None if this is a single process.

    Raises ImportError where there is no mpi4py or no MPI library, RuntimeError where the library is
    not the one that the launcher belongs to.
    """
    count = "several" if launched is None else launched
    otherwise = "or set MINIGRAD_DISTRIBUTED=0 to have processes that know nothing of each other"
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: no MPI library was found
        raise ImportError(
            f"minigrad.distributed: a launcher started {count} processes, but mpi4py cannot be "
            f"imported ({error}), so each would train alone; pip install mpi4py mpich (minigrad's "
            f'extra "mpi"), {otherwise}'
        ) from error
    found = MPI.COMM_WORLD.size
    if launched is not None and found != launched:
        library = " ".join(MPI.Get_library_version().partition("\n")[0].split())
        raise RuntimeError(
            f"minigrad.distributed: the launcher started {launched} processes, but MPI sees "
            f"{found}: mpi4py uses {library}, and the launcher belongs to another MPI; use the "
            f"mpiexec of that one (where pip installed mpich, it is beside python), {otherwise}"
        )
    return MPI.COMM_WORLD if found > 1 else None
