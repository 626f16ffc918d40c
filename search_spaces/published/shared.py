"""Settings and notes that several of the study's systems share."""

from __future__ import annotations

# The training of the study's networks from scratch; a weight decay of 1e-6 is as good as none.
STUDY_TRAINING = {
    "normalisation": "fixed",
    "learning_rate": 1e-3,
    "weight_decay": 1e-6,
    "steps": 50,
    "averaging": 0.0,
}
STUDY_CLASSIFIER = {**STUDY_TRAINING, "loss": "cross_entropy"}
# Of networks with BatchNorm; at 50 steps .2 is torch's momentum, .1.
STUDY_STATISTICS = {"statistics_memory": 0.2}
STUDY_NORMED_CLASSIFIER = {**STUDY_CLASSIFIER, **STUDY_STATISTICS}
# Its own network: how many blocks, and dropout before the last layer.
STUDY_CUSTOM = {"blocks": 4, "dropout": 0.15}
STUDY_CIRILLO = {"gain_spread": 0.2, "gamma_spread": 0.2, "elastic_sigma_px": 1.0, "elastic_points": 3}
# What is known of its Siamese networks: Adam's learning rate, mirroring only, 128 dimensions, dropout.
STUDY_SIAMESE = {
    **STUDY_TRAINING,
    **STUDY_STATISTICS,
    "learning_rate": 1e-6,
    "augmentation": "satoto",
    "rotation_deg": 0.0,
    "shear_x_deg": 0.0,
    "shear_y_deg": 0.0,
    "least_scale": 1.0,
    "reflect": True,
    "embedding_size": 128,
    "dropout": 0.5,
    "references": "mean",
}

# What is known of the study's linear layers on frozen backbones.
STUDY_HEAD = {
    "tap": "5@224",
    "scaling": "none",
    "pooling": "full",
    "learning_rate": 1e-3,
    "weight_decay": 1e-6,
    "steps": 30,
}

# AlexNet has three blocks.
STUDY_ALEXNET_HEAD = {**STUDY_HEAD, "tap": "3@224"}

# Of the heads that need the whole map.
STUDY_MAP_HEAD = {name: value for name, value in STUDY_HEAD.items() if name != "pooling"}
# The study's recurrent heads, and their learning rate.
STUDY_RECURRENT = {"hidden_size": 50, "layers": 1, "readout": "last", "dropout": 0.0, "learning_rate": 3e-3}

# Its recurrent networks that start from a backbone's output.
STUDY_FEATURE_START = {
    **STUDY_TRAINING,
    **STUDY_RECURRENT,
    "tap": "5@224",
    "scaling": "none",
    "sequence": "rows",
    "hidden_size": 256,
    "layers": 3,
}

# The same at the study's own size.
STUDY_OUTPUTS_AS_STATE = {**STUDY_FEATURE_START, "sequence": "pieces", "hidden_size": 1000}

# Notes and faults that several of its results share.
BAR = "a bar of its Figure 3, read to about 0.1; seeds and training not given"
RECURRENT_HEAD_NOTE = (
    "a bar of its Figure 3, read to about 0.1; seeds and steps not given. There each pass drew its initial state at "
    "random, in testing too; here it is zero"
)
RECURRENT_HEAD_FAULT = "each pass drew the initial state of its recurrent network at random, in testing too"
PIXEL_SEQUENCE_NOTE = (
    "a bar of its Figure 3, read to about 0.1; seeds not given. There the upscaled image is cut into 256 steps; here "
    "the steps are the 28 rows of the image. Chosen here: network and learning rate, those of its recurrent heads"
)
PIECES_NOTE = (
    "a bar of its Figure 3, read to about 0.1; seeds not given. A step is 196 pixels of the image upscaled to 224 x "
    "224 pixels, its rows one behind the other. Chosen here: network and learning rate, those of its recurrent heads"
)
FEATURE_START_NOTE = (
    f"{BAR}. There VGG11's 1000 outputs are the state, and the upscaled image is cut into 256 steps; here each layer's "
    "state is 256 numbers, a learned projection of VGG11's 512 averages, and the steps are the 28 rows of the image. "
    "`reproduce.py` has the study's size too, on demand"
)
OUTPUTS_AS_STATE_NOTE = (
    f"{BAR}. As in the study: VGG11's 1000 outputs are the initial hidden state of each of 3 layers of 1000 units, and "
    "256 steps are read. Chosen here: a step is 196 pixels of the image upscaled to 224 x 224 pixels, one colour, its "
    "rows one behind the other; an LSTM's cell state starts at zero; learning rate of its recurrent heads, 50 steps"
)
