// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <grpcpp/security/server_credentials.h>

#include "common/result.h"
#include "daemon/config/quota.h"

namespace headgate::doors {

// Reads the PEM files. With `client_ca` a client has to show a certificate that it has signed.
// Errors name the file: those of config::read_file(); kInvalidArgument for one that holds no
// certificate or key, or a key that is not the certificate's.
Result<std::shared_ptr<grpc::ServerCredentials>> tls_credentials(const config::QuotaTls& tls);

}  // namespace headgate::doors
