/* SPDX-License-Identifier: Apache-2.0 */
/* Skeletons, boxes and numbers onto a picture, in YUV: no round trip through RGB. */
#ifndef NPI_IO_DRAW_H
#define NPI_IO_DRAW_H
#include "picture.h"

struct npi_draw_params {
    float kpt_thr;      /* joints below are not drawn, nor the limbs that end in them */
    int boxes, ids;     /* 1: draw them */
    const char *text;   /* a line at the top left, e.g. the frame rate; NULL: none */
};
/* One colour a person id, left limbs lighter and right limbs darker. Persons whose pose is propagated are drawn thinner. */
void npi_draw_persons(struct npi_picture *p, const struct np_keypoint_set *set, const struct np_person *persons, int n,
                      const struct npi_draw_params *d);
void npi_draw_line(struct npi_picture *p, float x0, float y0, float x1, float y1, float thickness, const uint8_t rgb[3]);
void npi_draw_disc(struct npi_picture *p, float x, float y, float radius, const uint8_t rgb[3]);
/* Upper-case letters, digits and a few signs, 5x7 dots of `scale` pixels, on a dark ground. */
void npi_draw_text(struct npi_picture *p, int x, int y, int scale, const char *text, const uint8_t rgb[3]);
/* The colour of a person. */
void npi_draw_person_color(int id, uint8_t rgb[3]);
/* The colour of the limb between joints a and b (of joint a where they are the same): left lighter, right darker. */
void npi_draw_limb_color(int id, const struct np_keypoint_set *set, int a, int b, uint8_t rgb[3]);
#endif
