// SPDX-License-Identifier: Apache-2.0
// `headgatectl deny add --hard`: what the real daemon tells the front line, and what that does.
#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <stdexcept>

#include "daemon/kernel/address.h"
#include "daemon/kernel/front_program.h"
#include "daemon/kernel/netns.h"
#include "skeletons/front.skel.h"
#include "tests/frames/frame.h"
#include "tests/kernel/front_lab.h"
#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr std::uint32_t kInterface = 3;  // any number
constexpr std::uint16_t kClientPort = 41000;
constexpr const char* kClient = "10.64.7.1";
constexpr const char* kServer = "10.0.0.1";

UniqueFd open_pinned(const Headgated& headgated, const std::string& map) {
  UniqueFd fd(bpf_obj_get((headgated.pin_dir() + "/current/map_" + map).c_str()));
  if (!fd) throw std::runtime_error("no map " + map);
  return fd;
}

template <typename Value, typename Key>
std::optional<Value> look_up(const Headgated& headgated, const std::string& map, const Key& key) {
  Value value{};
  const UniqueFd fd = open_pinned(headgated, map);
  if (bpf_map_lookup_elem(fd.get(), &key, &value) != 0) return std::nullopt;
  return value;
}

// The front line's program with the daemon's maps, run by BPF_PROG_TEST_RUN.
class FrontBeside {
 public:
  FrontBeside(const Headgated& headgated, const NetworkNamespace& network)
      : network_(network), program_(front_bpf__open()) {
    const auto cookie = must(kernel::NetworkNamespace::open(network.path())).cookie();
    program_->rodata->interface_number = kInterface;
    program_->rodata->netns_cookie = cookie;
    const auto known = look_up<hg_namespace>(headgated, "namespaces", cookie).value();
    program_->rodata->netns.number = known.number;
    program_->rodata->netns.place = known.place;
    program_->rodata->possible_cpus = static_cast<std::uint32_t>(libbpf_num_possible_cpus());
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, program_->obj) {
      if (bpf_map__is_internal(map)) continue;
      const UniqueFd fd = open_pinned(headgated, bpf_map__name(map));
      if (bpf_map__reuse_fd(map, fd.get()) != 0) throw std::runtime_error("cannot share a map");
    }
    must(kernel::load_front(*program_));
    hg_link link{1, {}, 0};
    std::copy(frames::kOurMac.begin(), frames::kOurMac.end(), link.mac);
    const hg_link_key key{kInterface, {0, 0}};
    const hg_own_address own{cookie, kernel::to_abi(address(kServer))};
    const std::uint32_t one = 1;
    if (bpf_map_update_elem(open_pinned(headgated, "links").get(), &key, &link, BPF_ANY) != 0 ||
        bpf_map_update_elem(open_pinned(headgated, "addresses").get(), &own, &one, BPF_ANY) != 0) {
      throw std::runtime_error("cannot write to the maps links and addresses");
    }
  }

  std::uint32_t run(frames::Bytes frame) const {
    return network_.run([&] {
      xdp_md context{};
      context.data_end = static_cast<std::uint32_t>(frame.size());
      context.ingress_ifindex = 1;
      bpf_test_run_opts options{};
      options.sz = sizeof(options);
      options.data_in = frame.data();
      options.data_size_in = static_cast<std::uint32_t>(frame.size());
      options.ctx_in = &context;
      options.ctx_size_in = sizeof(context);
      options.repeat = 1;
      if (bpf_prog_test_run_opts(bpf_program__fd(program_->progs.headgate_front), &options) != 0) {
        throw std::runtime_error("BPF_PROG_TEST_RUN: errno " + std::to_string(errno));
      }
      return options.retval;
    });
  }

 private:
  const NetworkNamespace& network_;
  kernel::FrontProgram program_;
};

class DenyHard : public testing::Test {
 protected:
  nlohmann::json deny(std::vector<std::string> command) const {
    command.insert(command.begin(), "deny");
    return headgated_.ctl(command);
  }
  std::uint32_t any_denied() const {
    return look_up<hg_control>(headgated_, "control", std::uint32_t{0}).value().denied;
  }
  // The flags of the entry, or none.
  std::optional<std::uint32_t> flags_of(const std::string& map, const std::string& cidr) const {
    const auto key = policy::key_of(must(Prefix::parse(cidr)), HG_PREFIX_DENIED, 0);
    const auto entry = look_up<hg_denied>(headgated_, map, key);
    if (!entry) return std::nullopt;
    return entry->flags;
  }
  bool is_listed_hard(const std::string& cidr) const {
    const nlohmann::json list = deny({"list"});
    for (const nlohmann::json& entry : list.at("entries")) {
      if (entry.at("cidr") == cidr) return entry.at("is_hard").get<bool>();
    }
    throw std::runtime_error(cidr + " is not listed");
  }

  const Lab lab_;
  const Endpoint web_ = lab_.server_ipv4(kPort);
  const Server server_{lab_.server(), web_};
  Headgated headgated_{lab_.server(), web_with("connections: { per_client: 100 }")};
};

TEST_F(DenyHard, TheKernelIsToldOfEachEntryAndThatThereIsOne) {
  EXPECT_EQ(any_denied(), 0U);
  deny({"add", kClient, "10.65.0.0/16"});
  EXPECT_EQ(any_denied(), HG_ANY_DENIED);
  EXPECT_EQ(flags_of("denied_hosts", kClient), 0U);

  EXPECT_EQ(deny({"add", kClient, "--hard"}).at("replaced"), 1);
  EXPECT_EQ(any_denied(), HG_ANY_DENIED | HG_ANY_DENIED_HARD);
  EXPECT_EQ(flags_of("denied_hosts", kClient), HG_DENIED_HARD);
  EXPECT_TRUE(is_listed_hard(kClient));
  EXPECT_FALSE(is_listed_hard("10.65.0.0/16"));
  EXPECT_NE(headgated_.run_ctl({"deny", "list"}).output.find("operator, hard"), std::string::npos);

  deny({"add", "10.65.0.0/16", "--hard"});
  EXPECT_EQ(flags_of("denied", "10.65.0.0/16"), HG_DENIED_HARD);
  deny({"add", kClient});
  EXPECT_EQ(flags_of("denied_hosts", kClient), 0U) << "added again without --hard";
  EXPECT_EQ(any_denied(), HG_ANY_DENIED | HG_ANY_DENIED_HARD) << "the other one still is";
  deny({"del", "10.65.0.0/16"});
  EXPECT_EQ(any_denied(), HG_ANY_DENIED);
  deny({"del", kClient});
  EXPECT_EQ(any_denied(), 0U);
  EXPECT_EQ(flags_of("denied_hosts", kClient), std::nullopt);
}

TEST_F(DenyHard, ItEndsWithTheEntry) {
  deny({"add", kClient, "--hard", "--for", "1s"});
  deny({"add", "10.65.0.0/16"});
  EXPECT_EQ(any_denied(), HG_ANY_DENIED | HG_ANY_DENIED_HARD);
  EXPECT_TRUE(eventually(4s, [&] { return any_denied() == HG_ANY_DENIED; }));
}

TEST_F(DenyHard, IsKeptOverReloadsAndRestartsAndCanBeTakenBackThen) {
  deny({"add", kClient, "--hard", "--reason", "kept"});
  headgated_.reload(web_with("connections: { per_client: 50 }"));
  EXPECT_EQ(any_denied(), HG_ANY_DENIED | HG_ANY_DENIED_HARD);
  for (const bool is_killed : {false, true}) {
    if (is_killed) {
      headgated_.kill();
      headgated_.start();
    } else {
      headgated_.restart();
    }
    EXPECT_TRUE(is_listed_hard(kClient));
    EXPECT_EQ(any_denied(), HG_ANY_DENIED | HG_ANY_DENIED_HARD);
    EXPECT_EQ(flags_of("denied_hosts", kClient), HG_DENIED_HARD);
  }
  deny({"add", kClient, "--reason", "ordinary now"});
  EXPECT_EQ(any_denied(), HG_ANY_DENIED);
  headgated_.restart();
  EXPECT_FALSE(is_listed_hard(kClient));
  EXPECT_EQ(any_denied(), HG_ANY_DENIED);
}

TEST_F(DenyHard, TheFrontLineDropsThePacketsOfItsConnections) {
  const FrontBeside front(headgated_, lab_.server().network());
  const auto held = hold(lab_.client(0), web_, 1, Endpoint{address(kClient), kClientPort});
  const auto segment = [&](const std::string& from) {
    return front.run(frames::ethernet(frames::ipv4(
        from, kServer, frames::tcp({.from = kClientPort, .to = kPort, .flags = frames::kAck}))));
  };
  EXPECT_EQ(segment(kClient), XDP_PASS);
  deny({"add", "10.64.7.0/24"});
  EXPECT_EQ(segment(kClient), XDP_PASS) << "denied, but not hard";
  deny({"add", "10.64.7.0/24", "--hard"});
  EXPECT_EQ(segment(kClient), XDP_DROP);
  EXPECT_EQ(segment("10.64.8.1"), XDP_PASS) << "another client";
  headgated_.restart();
  EXPECT_EQ(segment(kClient), XDP_DROP) << "the next daemon knows of it";
  deny({"del", "10.64.7.0/24"});
  EXPECT_EQ(segment(kClient), XDP_PASS);
}

}  // namespace
}  // namespace headgate::lab
