# SPDX-License-Identifier: Apache-2.0
"""The 24 joints of our nets (keypoint set "np24" of src/card/keypoints.c), in the order of the teacher's labels."""
import numpy as np

NAMES = ["nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
         "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "head_top", "neck", "pelvis",
         "left_heel", "right_heel", "left_foot_index", "right_foot_index"]
N = len(NAMES)
PELVIS = 19
FLIP = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 17, 18, 19, 21, 20, 23, 22])
LIMBS = [(5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16), (18, 19), (5, 6), (11, 12), (17, 18), (15, 22), (16, 23)]

# Leeds Sports Pose has 14: right ankle, knee, hip, left hip, knee, ankle, right wrist, elbow, shoulder, left shoulder, elbow, wrist, neck, head top.
LSP = np.array([16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9, 18, 17])
LSP_SWAPPED = LSP[[5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13]]

SIGMA = np.array([.026, .025, .025, .035, .035, .079, .079, .072, .072, .062, .062, .107, .107, .087, .087, .089, .089,
                  .035, .079, .107, .089, .089, .089, .089])     # OKS, as in keypoints.c
