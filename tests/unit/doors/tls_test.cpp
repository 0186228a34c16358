// SPDX-License-Identifier: Apache-2.0
//
// With certificates that openssl(1) makes for the test.
#include "daemon/doors/tls.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "served.h"

namespace headgate::doors {
namespace {

class Tls : public Served {
 protected:
  // Files NAME.key and NAME.pem, signed by `issuer` or by itself.
  void make_certificate(const std::string& name, const std::string& issuer = "") {
    const std::string base = path(name);
    std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
        " -nodes -days 2 -subj /CN=" +
        name + " -addext subjectAltName=IP:127.0.0.1 -keyout " + base + ".key -out " + base +
        ".pem";
    if (!issuer.empty()) command += " -CA " + path(issuer) + ".pem -CAkey " + path(issuer) + ".key";
    ASSERT_EQ(std::system((command + " 2>" + base + ".log").c_str()), 0) << read(base + ".log");
  }
  std::string path(const std::string& name) const { return directory.path() + "/" + name; }
  static std::string read(const std::string& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  void SetUp() override {
    make_certificate("server");
    make_certificate("authority");
    make_certificate("client", "authority");
    make_certificate("stranger");
    doors.reset();
    quotas.tls = config::QuotaTls{path("server.pem"), path("server.key"), ""};
  }

  // What a client gets who trusts the server, and shows the certificate of that name if there is
  // one.
  grpc::Status ask_as(const std::string& client) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = read(path("server.pem"));
    if (!client.empty()) {
      options.pem_cert_chain = read(path(client + ".pem"));
      options.pem_private_key = read(path(client + ".key"));
    }
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto stub = rls_v3::RateLimitService::NewStub(
        grpc::CreateCustomChannel(tcp_target(), grpc::SslCredentials(options), arguments));
    rls_v3::RateLimitResponse response;
    return ask(*stub, request_of({{{"five", "a"}}}), &response);
  }
  std::string error_of(const config::QuotaTls& tls) const {
    auto bad = quotas;
    bad.tls = tls;
    const auto prepared = Doors::prepare(bad);
    EXPECT_FALSE(Doors::open(bad, const_cast<quota::Engine&>(engine)).has_value());
    EXPECT_FALSE(std::filesystem::exists(bad.socket)) << "no door is open";
    return prepared ? "" : prepared.error().to_string();
  }
};

TEST_F(Tls, ServesWhoTrustsIt) {
  open();
  const auto status = ask_as("");
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(Tls, ServesNobodyInTheClear) {
  open();
  const auto stub = rls_v3::RateLimitService::NewStub(channel_to(tcp_target()));
  rls_v3::RateLimitResponse response;
  EXPECT_FALSE(ask(*stub, request_of({{{"five", "a"}}}), &response).ok());
  EXPECT_EQ(answer_to(request_of({{{"five", "a"}}})).statuses(0).limit_remaining(), 4U)
      << "the Unix socket needs none";
}

TEST_F(Tls, ClientsNeedACertificateIfThereIsAnAuthority) {
  quotas.tls->client_ca = path("authority.pem");
  open();
  const auto status = ask_as("client");
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_FALSE(ask_as("").ok());
  EXPECT_FALSE(ask_as("stranger").ok());
}

TEST_F(Tls, WhatIsWrongWithAFileIsSaid) {
  const config::QuotaTls good = *quotas.tls;
  std::ofstream(path("junk.pem")) << "junk";
  const auto expect = [this](const config::QuotaTls& tls, const std::string& what) {
    const std::string error = error_of(tls);
    EXPECT_NE(error.find(what), std::string::npos) << error;
  };
  expect({path("missing.pem"), good.key, ""}, path("missing.pem") + ": cannot open: No such file");
  expect({good.certificate, path("missing.key"), ""},
         path("missing.key") + ": cannot open: No such file");
  expect({directory.path(), good.key, ""}, directory.path() + ": ");
  expect({path("junk.pem"), good.key, ""}, path("junk.pem") + " holds no certificate");
  expect({good.certificate, path("junk.pem"), ""}, path("junk.pem") + " holds no private key");
  expect({good.certificate, path("client.key"), ""}, path("client.key") + " is not the key of");
  expect({good.certificate, good.key, path("missing.pem")}, path("missing.pem"));
  expect({good.certificate, good.key, path("junk.pem")},
         path("junk.pem") + " holds no certificate");
}

TEST_F(Tls, AKeyWithAPasswordIsRefused) {
  const std::string command = "openssl ec -aes256 -passout pass:secret -in " + path("server.key") +
                              " -out " + path("locked.key") + " 2>" + path("ec.log");
  ASSERT_EQ(std::system(command.c_str()), 0);
  const std::string error = error_of({path("server.pem"), path("locked.key"), ""});
  EXPECT_NE(error.find("without a password"), std::string::npos) << error;
}

}  // namespace
}  // namespace headgate::doors
