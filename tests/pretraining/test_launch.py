"""What the environment says about several processes is checked before anything else."""

import pytest

from slic.errors import ProcessError
from slic.pretraining.launch import Launch, read_launch, require_host

TWO = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "node1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"MASTER_ADDR": "node1", "MASTER_PORT": "29500"},
        {"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_LOCALID": "1"},
        {"RANK": "0", "WORLD_SIZE": "1"},
        {"PMI_RANK": "0", "PMI_SIZE": "1"},
    ],
)
def test_one_process_is_alone(environment: dict[str, str]) -> None:
    assert read_launch(environment) is None


def test_torchrun_and_mpi_are_read() -> None:
    of_torchrun = {"LOCAL_RANK": "0", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    found = read_launch(TWO | of_torchrun | {"TORCHELASTIC_RESTART_COUNT": "3"})
    alone = "unset RANK WORLD_SIZE LOCAL_RANK"
    assert found == Launch(0, 2, "node1", 29500, attempt="3", hosted=True, alone=alone)
    assert found.place == "node1:29500"
    mpi = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"}
    where = {"MASTER_ADDR": "node1", "MASTER_PORT": "1"}
    alone = "unset OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_SIZE"
    assert read_launch(mpi | where) == Launch(1, 4, "node1", 1, alone=alone)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"WORLD_SIZE": ""}, "RANK=0, WORLD_SIZE= is set in the environment, but not WORLD_SIZE."),
        ({"RANK": ""}, "but not RANK."),
        ({"RANK": "2"}, "RANK=2 in the environment is not a number from 0 to 1."),
        ({"RANK": "-1"}, "RANK=-1 in the environment is not a number from 0 to 1."),
        ({"RANK": "one"}, "RANK=one in the environment"),
        ({"RANK": "²"}, "RANK=² in the environment"),
        ({"RANK": "9" * 5000}, "in the environment is not a number from 0 to 1."),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE=0 in the environment is not a number from 1 to 65535."),
        ({"WORLD_SIZE": "1e3"}, "WORLD_SIZE=1e3 in the environment"),
        ({"LOCAL_RANK": "2"}, "LOCAL_RANK=2 in the environment is not a number from 0 to 1."),
        ({"MASTER_ADDR": ""}, "RANK=0 and WORLD_SIZE=2 are set in the environment, but not MASTER"),
        ({"MASTER_PORT": ""}, "but not MASTER_PORT."),
        ({"MASTER_PORT": "70000"}, "MASTER_PORT=70000 in the environment"),
    ],
)
def test_what_cannot_be_is_one_line_with_the_way_out(changes: dict[str, str], said: str) -> None:
    with pytest.raises(ProcessError) as caught:
        read_launch(TWO | changes)
    line = str(caught.value)
    assert said in line
    assert "\n" not in line
    assert "To train with one process, run first: unset RANK WORLD_SIZE" in line


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "LOCAL_RANK"])
def test_one_variable_alone_is_incomplete(name: str) -> None:
    with pytest.raises(ProcessError, match=f"run first: unset {name}$"):
        read_launch({name: "0"})


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a" * 300, "x..y"])
def test_a_host_that_is_not_known_is_named_at_once(name: str) -> None:
    with pytest.raises(ProcessError, match="this host is not known"):
        require_host(Launch(1, 2, name, 29500))
