/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_FOLD_H
#define MATCHER_FOLD_H

#include <stdint.h>

/*
 * The two spellings of a pattern's character under equals-ignore-case: its upper-case and its lower-case
 * form, each as UTF-8, by the full (unconditional, root-locale) Unicode mappings of one UTF-16 code unit:
 * sharp s gives "SS" and itself; a character outside the BMP has no case here. A value's text matches a
 * pattern's character by either spelling.
 */
struct fold {
    uint8_t upper[12], lower[12];
    uint8_t upper_size, lower_size;
};

/* code: a code point, or 0xD800–0xDFFF for a lone surrogate (kept in its three-byte form). */
void fold_spellings(uint32_t code, struct fold *out);

#endif
