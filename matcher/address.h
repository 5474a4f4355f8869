/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_ADDRESS_H
#define MATCHER_ADDRESS_H

#include <stdint.h>

#include "matcher/str.h"

/*
 * IPv4 and IPv6 literals as event patterns take them: v4 is four decimal octets, leading zeros allowed and
 * meaningless ("010.0.0.1" is 10.0.0.1); v6 has no zone and no embedded v4 unless stated in weir-pattern(7).
 * Returns the address's size in bytes (4 or 16), or 0: not an address.
 */
unsigned address_parse(struct str text, uint8_t out[16]);

#endif
