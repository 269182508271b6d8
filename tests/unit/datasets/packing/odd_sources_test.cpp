// What is not the source that an option says: one error that names the option, what lies there, and a way
// out.
#include <gmock/gmock.h>

#include "tests/unit/datasets/packing/archive_pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;

class OddSources : public ArchivePackTest {
 protected:
  OddSources() {
    const auto tree = tests::make_tree({.classes = 3, .each = 4});
    tests::write_tar_of_tars(tree, path("train.tar"), tests::TarFile::Packing::plain);
    tests::write_tar_of_tars(tree, path("winter.tar.gz"), tests::TarFile::Packing::gzip);
    tests::write_folder_of_tars(tree, path("tars"));
    tests::write_unpacked(tree, path("files"));
    tests::write_devkit(tree, tests::write_validation(tree, path("val.tar")), path("kit.tar.gz"));
    {
      tests::TarFile images(path("images.tar"), tests::TarFile::Packing::plain);
      images.add("cats/1.JPG", "no matter what");
    }
    put("flat/1.jpeg", "no matter what");
  }

  void expect_refusal(ExitCode code, const PackOptions& o, const std::string& what,
                      const std::string& hint) const {
    const Error e = error_of([&] { pack(o); });
    EXPECT_EQ(e.code(), code) << o.source;
    EXPECT_THAT(e.what(), HasSubstr(what));
    EXPECT_THAT(e.hint(), HasSubstr(hint));
    EXPECT_FALSE(fs::exists(o.output / kManifestFile));
  }
  void expect_refusal(ExitCode code, const std::string& kind, const std::string& name,
                      const std::string& what, const std::string& hint) const {
    expect_refusal(code, options(kind + ":" + path(name), "pack"), what, hint);
  }
  PackOptions val(const std::string& archive, const std::string& devkit) const {
    PackOptions o = options("imagenet-val:" + path(archive), "pack");
    if (!devkit.empty()) o.devkit = path(devkit);
    return o;
  }
};

TEST_F(OddSources, ArchivesOfClasses) {
  expect_refusal(ExitCode::io, "imagenet-train", "none.tar",
                 "--source imagenet-train:" + path("none.tar") + ": ", "");
  expect_refusal(ExitCode::bad_data, "imagenet-train", "val.tar", "val.tar: no nXXXXXXXX.tar inside",
                 "--source imagenet-val:TAR with --devkit");
  expect_refusal(ExitCode::bad_data, "imagenet-21k", "images.tar", "images.tar: no nXXXXXXXX.tar inside",
                 "--source folder:DIR");
  expect_refusal(ExitCode::bad_data, "imagenet-21k", "kit.tar.gz", "kit.tar.gz: no nXXXXXXXX.tar inside",
                 "a tar for each class");
  expect_refusal(ExitCode::bad_data, "imagenet-21k", "files", "files: no nXXXXXXXX.tar inside",
                 "--source folder:DIR");
}

TEST_F(OddSources, ValidationImages) {
  expect_refusal(ExitCode::refused, val("val.tar", ""), "val.tar: its labels are in the devkit", "--devkit");
  expect_refusal(ExitCode::io, val("val.tar", "nokit"), "--devkit: ", "");
  expect_refusal(ExitCode::bad_data, val("val.tar", "tars"), "tars: no meta.mat inside", "ILSVRC2012_devkit");
  expect_refusal(ExitCode::bad_data, val("files", "kit.tar.gz"), "files is a folder, not a tar of images",
                 "folder:");
  expect_refusal(ExitCode::bad_data, val("train.tar", "kit.tar.gz"), "train.tar holds 3 files",
                 "--source imagenet-train:" + path("train.tar"));
  expect_refusal(ExitCode::bad_data, val("images.tar", "kit.tar.gz"), "images.tar holds 1 files", "--devkit");
  expect_refusal(ExitCode::bad_data, val("kit.tar.gz", "kit.tar.gz"), "is compressed", "gunzip");
}

TEST_F(OddSources, FoldersAndIdxFiles) {
  expect_refusal(ExitCode::io, "folder", "none", "--source folder:" + path("none") + ": ", "");
  expect_refusal(ExitCode::bad_data, "folder", "train.tar", "train.tar is a file", "imagenet-train:");
  expect_refusal(ExitCode::bad_data, "folder", "tars", "no folder inside",
                 "--source imagenet-21k:" + path("tars"));
  expect_refusal(ExitCode::bad_data, "folder", "flat", "no folder inside", "put the images into folders");
  expect_refusal(ExitCode::bad_data, options("idx:" + path("files") + "," + path("files"), "pack"),
                 "files is a folder, not an IDX file of images", "");
  expect_refusal(ExitCode::bad_data, options("idx:" + path("val.tar") + "," + path("val.tar"), "pack"),
                 "val.tar: not an IDX file of unsigned bytes with 3 dimensions", "IMAGES,LABELS");
}

TEST_F(OddSources, RulesThatLeaveNothing) {
  for (const char* archive : {"train.tar", "winter.tar.gz", "tars"}) {
    PackOptions o = options("imagenet-21k:" + path(archive), "pack");
    o.validation = "21k-p";
    expect_refusal(ExitCode::refused, o, "--validation 21k-p, train leaves no file of 3 classes",
                   "more than 500 files");
    o.validation = "hash:0";
    o.split = "val";
    expect_refusal(ExitCode::refused, o, "--validation hash:0, val leaves no file", "another --split");
  }
}

}  // namespace
}  // namespace vitrail::datasets
