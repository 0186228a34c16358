// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/tls.h"

#include <string>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "daemon/config/file.h"

namespace headgate::doors {
namespace {

struct ContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

tl::unexpected<Error> bad(const std::string& what) {
  ERR_clear_error();
  return fail(ErrorCode::kInvalidArgument, what);
}

// gRPC says of a bad file no more than that it cannot listen.
Result<void> verify(const config::QuotaTls& tls) {
  const std::unique_ptr<SSL_CTX, ContextDeleter> context(SSL_CTX_new(TLS_server_method()));
  if (!context) return fail(ErrorCode::kInternal, "cannot begin to use TLS");
  // Nobody is there to type the password of a key.
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_use_certificate_chain_file(context.get(), tls.certificate.c_str()) != 1) {
    return bad(tls.certificate + " holds no certificate in PEM format");
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), tls.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    const bool is_another = ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_X509;
    return bad(is_another ? tls.key + " is not the key of " + tls.certificate
                          : tls.key + " holds no private key in PEM format without a password");
  }
  if (!tls.client_ca.empty() &&
      SSL_CTX_load_verify_file(context.get(), tls.client_ca.c_str()) != 1) {
    return bad(tls.client_ca + " holds no certificate in PEM format");
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<grpc::ServerCredentials>> tls_credentials(const config::QuotaTls& tls) {
  auto certificate = config::read_file(tls.certificate);
  if (!certificate) return tl::unexpected(certificate.error());
  auto key = config::read_file(tls.key);
  if (!key) return tl::unexpected(key.error());
  grpc::SslServerCredentialsOptions options(
      tls.client_ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                            : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  if (!tls.client_ca.empty()) {
    auto authority = config::read_file(tls.client_ca);
    if (!authority) return tl::unexpected(authority.error());
    options.pem_root_certs = *std::move(authority);
  }
  if (auto verified = verify(tls); !verified) return tl::unexpected(verified.error());
  options.pem_key_cert_pairs.push_back({*std::move(key), *std::move(certificate)});
  return grpc::SslServerCredentials(options);
}

}  // namespace headgate::doors
