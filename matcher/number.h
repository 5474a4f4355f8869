/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_NUMBER_H
#define MATCHER_NUMBER_H

#include "matcher/str.h"

/*
 * Is this JSON number literal comparable, and which double is it? Comparable: the double is finite and its
 * shortest decimal form equals the literal's decimal value exactly (0.1 and 1e2 are; 9007199254740993,
 * 0.10000000000000001 and 1e400 are not). Zero has one sign: -0.0 gives 0. Independent of the locale.
 */
bool number_parse(struct str literal, double *out);

#endif
