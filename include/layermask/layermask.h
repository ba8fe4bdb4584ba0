/* LayerMask: why a convolutional network said what it said.  Everything of liblayermask. */
#ifndef LAYERMASK_H
#define LAYERMASK_H

#include "layermask/explain.h"
#include "layermask/image.h"
#include "layermask/mask.h"
#include "layermask/model.h"
#include "layermask/render.h"
#include "layermask/segment.h"
#include "layermask/session.h"
#include "layermask/status.h"

#endif
