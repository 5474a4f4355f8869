/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of target adapters. A new adapter is its own file and one row here: the loader, `weir targets`,
 * the schema and the man page walk this table and its option tables. An adapter without a header of its own has
 * nothing that anybody else may call, so it is declared here.
 */
#include "targets/adapter.h"
#include "targets/api_destination.h"
#include "targets/archive.h"
#include "targets/bus.h"
#include "targets/connection.h"
#include "targets/queue.h"
#include "targets/topic.h"

extern const struct adapter function_adapter, http_adapter, file_adapter, log_adapter;

const struct adapter *const target_adapters[] = {
    &bus_adapter, &queue_adapter,      &topic_adapter,           &function_adapter, &http_adapter, &file_adapter,
    &log_adapter, &connection_adapter, &api_destination_adapter, &archive_adapter,  NULL,
};

const struct adapter *target_adapter_find(struct str type)
{
    for (const struct adapter *const *a = target_adapters; *a; a++)
        if (str_is(type, (*a)->type))
            return *a;
    return NULL;
}
