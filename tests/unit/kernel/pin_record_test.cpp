// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/pin_record.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::kernel {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class PinRecordTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "record-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern + "/run";
  }
  void TearDown() override { fs::remove_all(fs::path(directory_).parent_path()); }

  PinRecord record(const std::string& config = "/etc/headgate/headgate.yaml") const {
    return {directory_, config};
  }

  std::string directory_;
  const std::string file_ = "/pins/%2Fetc%2Fheadgate%2Fheadgate.yaml";
};

TEST_F(PinRecordTest, OutlivesTheObjectAndListsTheLastOneLast) {
  EXPECT_THAT(record().list().value(), ElementsAre());
  EXPECT_TRUE(record().add("/bpf/a"));
  EXPECT_TRUE(record().add("/bpf/b c"));
  EXPECT_THAT(record().list().value(), ElementsAre("/bpf/a", "/bpf/b c"));
  EXPECT_TRUE(record().add("/bpf/a"));
  EXPECT_THAT(record().list().value(), ElementsAre("/bpf/b c", "/bpf/a"));
  EXPECT_TRUE(fs::exists(directory_ + file_));
}

TEST_F(PinRecordTest, WithoutALineThereIsNoFile) {
  EXPECT_TRUE(record().strike("/bpf/a"));
  EXPECT_TRUE(record().add("/bpf/a"));
  EXPECT_TRUE(record().add("/bpf/b"));
  EXPECT_TRUE(record().strike("/bpf/a"));
  EXPECT_TRUE(record().strike("/bpf/none"));
  EXPECT_THAT(record().list().value(), ElementsAre("/bpf/b"));
  EXPECT_TRUE(record().strike("/bpf/b"));
  EXPECT_TRUE(fs::is_empty(directory_ + "/pins"));
}

TEST_F(PinRecordTest, IsOfOneConfigurationHoweverItsPathIsWritten) {
  EXPECT_TRUE(record("/etc/a/b.yaml").add("/bpf/a"));
  EXPECT_THAT(record("/etc/x/../a//b.yaml").list().value(), ElementsAre("/bpf/a"));
  EXPECT_THAT(record("/etc/a%2Fb.yaml").list().value(), ElementsAre());
  EXPECT_TRUE(record("relative.yaml").add("/bpf/b"));
  EXPECT_THAT(record(fs::current_path() / "relative.yaml").list().value(), ElementsAre("/bpf/b"));
}

TEST_F(PinRecordTest, PassesOverWhatIsNoPath) {
  fs::create_directories(directory_ + "/pins");
  std::ofstream(directory_ + file_) << "\nnonsense\n/bpf/a\n";
  EXPECT_THAT(record().list().value(), ElementsAre("/bpf/a"));
}

TEST_F(PinRecordTest, SaysWhyItCannotBeWritten) {
  std::ofstream(directory_) << "a file";
  EXPECT_THAT(record().list().value(), ElementsAre());
  const auto added = record().add("/bpf/a");
  ASSERT_FALSE(added);
  EXPECT_THAT(added.error().message, testing::HasSubstr(directory_));
}

}  // namespace
}  // namespace headgate::kernel
