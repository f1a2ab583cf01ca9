"""Examples of each verb: its help ends with them, and docs/reference/command.md shows them."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "slic sample": (
        "slic sample videos",
        "slic sample hard --level hard --train 40 --test 20",
    ),
    "slic demo": ("slic demo --out demo",),
    "slic scan": (
        "slic scan VIDEOS",
        "slic scan list.csv --json",
    ),
    "slic data": ("slic data",),
    "slic data check": (
        "slic data check ucf101 UCF101",
        "slic data check hmdb51 HMDB51 --json",
    ),
    "slic prepare": (
        "slic prepare VIDEOS --proxies",
        "slic prepare UCF101 --flow --recipe paper-ucf101",
    ),
    "slic backbones": ("slic backbones",),
    "slic pretrain": (
        "slic pretrain VIDEOS --out run",
        "slic pretrain VIDEOS --out run --resume",
        "slic pretrain VIDEOS --segments 4 --out run",
        "slic pretrain VIDEOS --recipe motion --train.epochs=100 --clip.size=112 --out run",
        "slic pretrain VIDEOS --backbone torchvision/r2plus1d_18 --out run",
    ),
    "slic embed": (
        "slic embed VIDEOS --encoder run --out embeddings.npz",
        "slic embed VIDEOS --encoder run --layer backbone --out clips.parquet",
    ),
    "slic import-official": ("slic import-official model.pth.tar encoder --trained-on ucf101",),
    "slic evaluate": ("slic evaluate retrieval VIDEOS --labels tree --encoder run",),
    "slic evaluate clusters": (
        "slic evaluate clusters run --labels labels.csv --picture clusters.html",
        "slic evaluate clusters embeddings.npz --labels tree --clustering.name=kmeans",
    ),
    "slic evaluate retrieval": (
        "slic evaluate retrieval VIDEOS --labels labels.csv --encoder run --protocol backbone",
    ),
    "slic evaluate finetune": (
        "slic evaluate finetune UCF101 --labels ucf101:1 --encoder run --out finetuned",
    ),
    "slic evaluate linear": (
        "slic evaluate linear UCF101 --labels ucf101:1 --encoder run --out linear",
    ),
    "slic evaluate probe": ("slic evaluate probe VIDEOS --labels labels.csv --encoder run",),
    "slic reproduce": ("slic reproduce retrieval --seeds 1",),
    "slic index": (
        "slic index VIDEOS --out index",
        "slic index VIDEOS --encoder run --window 3 --stride 1 --out index",
    ),
    "slic search": (
        "slic search index clip.mp4 --from 1.5 --to 3",
        "slic search index a/b.mp4@12.5 --where \"path like 'a/%' and duration > 3\"",
        "slic search index --like good.mp4 --like a/b.mp4@12.5 --unlike bad.mp4 --html found.html",
        'slic search index --text "a person falls"',
    ),
    "slic cluster": (
        "slic cluster index",
        "slic cluster index --level 2",
        "slic cluster index --merge 3 17",
        "slic cluster index --duplicates 20",
    ),
    "slic labels set": (
        "slic labels set index 17 waving",
        "slic labels set index a/b.mp4@12.5 waving",
    ),
    "slic labels remove": ("slic labels remove index 17",),
    "slic labels list": ("slic labels list index",),
    "slic labels spread": ("slic labels spread index --confidence 0.8",),
    "slic labels undo": ("slic labels undo index",),
    "slic labels export": (
        "slic labels export index labels.csv",
        "slic labels export index labels.json",
    ),
    "slic labels cut": ("slic labels cut index clips --label waving --padding 0.5",),
    "slic labels import": ("slic labels import index labels.json",),
    "slic classify": (
        "slic classify index NEW_VIDEOS",
        "slic classify index --classes names.txt",
    ),
    "slic export onnx": ("slic export onnx run --out encoder.onnx",),
    "slic export torch": ("slic export torch run --out encoder.pt2",),
    "slic export embeddings": ("slic export embeddings index --out moments.parquet",),
    "slic share": (
        "slic share run --out shared",
        "slic share run ORG/NAME --licence cc-by-nc-4.0",
    ),
    "slic studio": (
        "slic studio VIDEOS",
        "slic studio index --runs runs",
        "slic studio --sample",
    ),
    "slic doctor": ("slic doctor", "slic doctor VIDEOS"),
    "slic completion": ("slic completion zsh",),
}
"""Commands by the verb that they show; words in capitals are the user's."""
