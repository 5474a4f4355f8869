/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_AWS_COVERAGE_H
#define ROUTER_API_AWS_COVERAGE_H

#include "matcher/buf.h"

/* Appends the table of all services' operations in Markdown: which are served, and how they differ from AWS on purpose.
   README.md has it; `make manuals` puts it there. */
void aws_coverage_write(struct buf *out);

#endif
