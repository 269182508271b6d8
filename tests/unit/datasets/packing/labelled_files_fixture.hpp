// Packs of collections that are files and a list: one small JPEG under every name, labels by key, refusals.
#pragma once

#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "tests/unit/datasets/packing/archive_pack_fixture.hpp"

namespace vitrail::datasets {

class LabelledFilesTest : public ArchivePackTest {
 protected:
  PackOptions with(const std::string& source, const std::string& split = "",
                   const std::string& labels = "") const {
    PackOptions o = options(source, "pack");
    o.split = split;
    o.labels = labels;
    return o;
  }

  Labels labels_of(const PackOptions& o) {
    const Labels labels = ArchivePackTest::labels_of(o);
    for (const auto& [key, entry] : records("pack")) EXPECT_EQ(entry.bytes, jpeg_) << key;
    return labels;
  }

  Error refusal(const PackOptions& o) const {
    return error_of([&] { pack(o); });
  }
  void expect_bad(const PackOptions& o, const std::string& what) const {
    const Error e = refusal(o);
    EXPECT_EQ(e.code(), ExitCode::bad_data) << e.what();
    EXPECT_THAT(e.what(), testing::HasSubstr(what));
  }

  void put_images(const std::string& folder, const std::vector<std::string>& names) const {
    for (const std::string& name : names) put(fs::path(folder) / name, jpeg_);
  }

  const std::string jpeg_ = fixture_image("jpeg_1x1");
};

}  // namespace vitrail::datasets
