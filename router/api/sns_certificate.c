/* SPDX-License-Identifier: Apache-2.0 */
/* GET /SimpleNotificationService-….pem: the certificate that verifiers of SNS's envelopes ask for. */
#include "router/api/api.h"
#include "router/router.h"
#include "router/signer.h"

void sns_certificate(struct http_request *r)
{
    struct str pem = signer_certificate(http_router(r)->signer, http_path(r));

    if (!pem.ptr)
        http_reply_error(r, 404, "no such certificate");
    else
        http_reply(r, 200, "application/x-pem-file", pem);
}
