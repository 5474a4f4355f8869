/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_AWS_WIRE_H
#define ROUTER_API_AWS_WIRE_H

/*
 * The query protocol's two forms, and the JSON that operations are written in. A form names each text by its way
 * through the request, and lists and maps have names and numbers of their own there; answers are XML with the same
 * names. What a name means, one table of the service tells:
 *
 *     {.member = "MessageAttributes", .wire = "MessageAttribute", .kind = AWS_WIRE_MAP, .key = "Name", .value =
 * "Value"}
 *
 *     MessageAttribute.1.Name=n&MessageAttribute.1.Value.DataType=String          flattened, as SQS has it
 *     {"MessageAttributes":{"n":{"DataType":"String"}}}
 *     <MessageAttribute><Name>n</Name><Value><DataType>String</DataType></Value></MessageAttribute>
 *
 *     {.member = "TagKeys", .kind = AWS_WIRE_LIST, .entry = "member"}             in an element of its own, as SNS has
 * it
 *
 *     TagKeys.member.1=a                 <TagKeys><member>a</member></TagKeys>
 *
 * Whatever no row names is a text, or a structure where there is more behind a dot. All texts stay texts: aws_read()
 * takes them as numbers and booleans.
 */

#include "matcher/buf.h"

enum aws_wire_kind { AWS_WIRE_LIST, AWS_WIRE_MAP };

struct aws_wire {
    const char *member;    /* the service model's name, in JSON */
    const char *wire;      /* its name in forms and XML; NULL: the same. Forms may have either */
    const char *operation; /* the row is for this one only and stands before the others; NULL: for all */
    enum aws_wire_kind kind;
    const char *entry;       /* the elements' name inside it; NULL: flattened, they stand in its place */
    const char *key, *value; /* of maps: names inside an entry */
    bool is_output;          /* of answers only: in forms the name means something else */
};

#define AWS_FORM_PARAMETERS_MAX 10000
#define AWS_FORM_NAME_MAX       512 /* bytes of a parameter's name */
#define AWS_FORM_DEPTH_MAX      16  /* dots in it */

/* The first parameter of this name, decoded into out. False: none. */
bool aws_form_value(struct str form, const char *name, struct buf *out);
/* Appends the form as one JSON object; wire is ended by member NULL. NULL: done (or out->failed); else what is wrong
   with it, for people. */
const char *aws_form_read(struct buf *out, struct str form, const struct aws_wire *wire, const char *operation);

/* Appends the members of a checked JSON object as XML elements. What XML cannot hold becomes U+FFFD. */
void aws_xml_write(struct buf *out, struct str object, const struct aws_wire *wire, const char *operation);
/* Appends text with what means something in XML escaped. */
void aws_xml_text(struct buf *out, struct str text);

#endif
