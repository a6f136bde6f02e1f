"""Arms are the combinations of what is listed."""

from a2pipe.training.arms import arms_of


def test_every_combination_is_an_arm_with_a_folder_of_its_own(experiment):
    made = experiment(
        pool=["cls", "selective:N/4:paper"], patch=[4, 8], window=[0, 3], seed=[0, 1], windowed=[1]
    )
    arms = [*arms_of(made, 2)]
    assert len(arms) == len({arm.name for arm in arms}) == 16
    assert arms[0].name == "cls_patch-4_seed-0"
    assert arms[-1].name == "selective-N-of-4-paper_patch-8_window-3_seed-1"
    assert [arm.design.windowed for arm in arms if arm.seed == 0][:2] == [(), (1,)]
    assert arms[0].traits == {"pool": "cls", "patch": 4, "window": "global", "seed": 0}


def test_a_resnet_has_neither_patches_nor_windows(experiment):
    made = experiment(network="resnet18", pool="mean", patch=[4, 8], seed=[0, 1])
    assert [arm.name for arm in arms_of(made, 2)] == [
        "resnet18_mean_seed-0",
        "resnet18_mean_seed-1",
    ]
