"""Groups of a batch: the mean of separate losses, with batch norm of each group alone."""

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import Generator, nn

from slic.errors import CatalogError, RecipeError
from slic.losses import InfoNCELoss, TemporalLoss, TripletLoss
from slic.pretraining import pretrain
from slic.pretraining.build import build_objective, build_run
from slic.pretraining.distributed import Processes
from slic.pretraining.grouping import EmbedInGroups, GroupedObjective, groups_of_process
from slic.pretraining.objective import LossTerms, Objective
from slic.recipe import load_recipe
from slic.videos.catalog import Catalog


def toy() -> nn.Sequential:
    torch.manual_seed(0)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 2 * 2 * 2, 8), nn.BatchNorm1d(8), nn.ReLU())
    return nn.Sequential(flat, nn.Linear(8, 5))


def gradients(model: nn.Module) -> list[torch.Tensor]:
    return [p.grad for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("instance", [TripletLoss(), InfoNCELoss()])
@pytest.mark.parametrize("groups", [2, 3])
def test_groups_are_the_mean_of_separate_batches(
    groups: int, instance: TripletLoss | InfoNCELoss
) -> None:
    clips, labels = (
        torch.randn(12, 3, 3, 2, 2, 2),
        (torch.arange(12) % 3).view(12, 1, 1).expand(12, 2, 1),
    )
    objective, size = Objective(instance, TemporalLoss()), 12 // groups
    together, apart = toy(), toy()

    z = EmbedInGroups(together, groups)(clips.flatten(0, 1)).unflatten(0, (12, 3))
    terms = GroupedObjective(objective, groups)(z, labels, Generator().manual_seed(5))
    terms.total.backward()  # type: ignore[no-untyped-call]

    generator, separate = Generator().manual_seed(5), []
    for first in range(0, 12, size):
        rows = slice(first, first + size)
        z = apart(clips[rows].flatten(0, 1)).unflatten(0, (size, 3))
        separate.append(objective(z, labels[rows], generator))
        (separate[-1].total / groups).backward()  # type: ignore[no-untyped-call]
    for name in LossTerms._fields:
        mean = sum(getattr(part, name).item() for part in separate) / groups
        assert getattr(terms, name).item() == pytest.approx(mean, abs=1e-6)
    assert len(gradients(together)) == len(gradients(apart)) > 0
    for ours, theirs in zip(gradients(together), gradients(apart), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_running_statistics_are_those_of_the_first_group() -> None:
    grouped, alone = toy(), toy()
    clips = torch.randn(6, 3, 2, 2, 2)
    EmbedInGroups(grouped, 3)(clips)
    alone(clips[:2])
    for ours, theirs in zip(grouped.buffers(), alone.buffers(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_recipe_builds_groups_and_batches_that_they_divide(tiny: Path, catalog: Catalog) -> None:
    recipe = load_recipe(
        tiny, ["--train.groups=3", "--train.batch_size=8", "--sampling.flow_probability=0"]
    )
    run = build_run(recipe, catalog, Processes(Accelerator(cpu=True)), progress=False)
    assert (run.groups, run.sampler.batch_size) == (3, 6)
    assert isinstance(run.objective, GroupedObjective)
    assert isinstance(build_objective(load_recipe(tiny)), Objective)


@pytest.mark.parametrize(("groups", "processes", "own"), [(1, 3, 1), (4, 2, 2), (2, 2, 1)])
def test_processes_share_the_groups(groups: int, processes: int, own: int) -> None:
    assert groups_of_process(groups, processes) == own


def test_groups_that_do_not_fit_are_refused(tiny: Path, catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"train\.groups is 3, but 2 processes"):
        groups_of_process(3, 2)
    with pytest.raises(RecipeError, match=r"train\.groups is 3, but it must be 1 to 2"):
        load_recipe(tiny, ["--train.groups=3"])
    many = load_recipe(tiny, ["--train.batch_size=32", "--train.groups=7"])
    with pytest.raises(CatalogError, match="12 videos are too few for 7 groups"):
        pretrain(catalog, out=tmp_path / "run", recipe=many, progress=False)
