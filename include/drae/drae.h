/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything public of libdrae: include this one. C11 and C++17.
 */
#ifndef DRAE_DRAE_H
#define DRAE_DRAE_H

#include "drae/engine.h"
#include "drae/line.h"
#include "drae/status.h"
#include "drae/version.h"

#endif
