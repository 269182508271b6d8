// WebDataset tars and CIFAR's binary files: what becomes of each sample, damage, and bytes that no number of
// ranks changes.
#include <gmock/gmock.h>

#include "datasets/archives/brace_pattern.hpp"
#include "datasets/codec/codec.hpp"
#include "datasets/dataset.hpp"
#include "datasets/packing/pack_sources.hpp"
#include "tests/unit/datasets/packing/archive_pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Members = std::vector<std::pair<std::string, std::string>>;

TEST(BracePatterns, NameFiles) {
  EXPECT_THAT(expand_braces("x-{08..11}.tar"), ElementsAre("x-08.tar", "x-09.tar", "x-10.tar", "x-11.tar"));
  EXPECT_THAT(expand_braces("{a,b}-{0..1}.tar"), ElementsAre("a-0.tar", "a-1.tar", "b-0.tar", "b-1.tar"));
  EXPECT_THAT(expand_braces("a.tar::b{,2}.tar"), ElementsAre("a.tar", "b.tar", "b2.tar"));
  EXPECT_EQ(expand_braces("{0000..1023}").size(), 1024U);
  for (const char* bad :
       {"x{", "x}", "{{0..1}}", "{3..1}", "{a..b}", "{..}", "{0..99999999}", "{0..9999}{0..9999}"}) {
    EXPECT_EQ(error_of([&] { expand_braces(bad); }).code(), ExitCode::usage) << bad;
  }
}

class WebDatasetTest : public ArchivePackTest {
 protected:
  void write_tar(const std::string& name, const Members& members) const {
    fs::create_directories((dir_ / name).parent_path());
    tests::TarFile tar(path(name), tests::TarFile::Packing::plain);
    for (const auto& [member, bytes] : members) tar.add(member, bytes);
  }

  using ArchivePackTest::labels_of;
  Labels labels_of(const std::string& source) { return labels_of(options(source, "pack")); }
  Error refusal(const std::string& source) const {
    return error_of([&] { pack(options(source, "pack")); });
  }

  const std::string jpeg_ = fixture_image("jpeg_1x1"), png_ = fixture_image("png_rgb");
};

TEST_F(WebDatasetTest, SamplesOfEveryForm) {
  write_tar("w/t-00.tar", {{"a/1.jpg", jpeg_},
                           {"a/1.cls", "2\n"},
                           {"a/2.cls", "0"},
                           {"a/2.JPEG", jpeg_},
                           {"a/2.json", R"({"label": 1})"},  // .cls is before it
                           {"3.png", png_},
                           {"3.json", R"({"label": 1, "caption": "x.jpg"})"}});
  write_tar("w/t-01.tar",
            {{"4.txt", "what it shows"}, {"4.webp", jpeg_}, {"4.cls", "0"}, {"4.seg.png", "no image of it"}});
  const Labels expected = {{"a/1.jpg", 2}, {"a/2.JPEG", 0}, {"3.png", 1}, {"4.webp", 0}};
  for (const std::string& source :
       {path("w"), path("w/t-{00..01}.tar"), path("w/t-00.tar") + "::" + path("w/t-01.tar")}) {
    EXPECT_EQ(labels_of("wds:" + source), expected) << source;
    EXPECT_THAT(names_, ElementsAre("0", "1", "2"));
    EXPECT_TRUE(warnings_.empty());
  }
  EXPECT_EQ(records("pack").at("3.png").bytes, png_);
  put("w/classes.txt", "ant\nbee\ncat\nno image of it\n");
  EXPECT_EQ(labels_of("wds:" + path("w")), expected);
  EXPECT_THAT(names_, ElementsAre("ant", "bee", "cat", "no image of it"));
}

TEST_F(WebDatasetTest, LabelsFromAFieldAndNames) {
  write_tar("t.tar", {{"1.jpg", jpeg_},
                      {"1.json", R"({"species": "wolf", "label": 7})"},
                      {"1.cls", "3"},
                      {"2.jpg", jpeg_},
                      {"2.json", R"({"species": "elk"})"}});
  PackOptions o = options("wds:" + path("t.tar"), "pack");
  o.labels = "species";
  EXPECT_EQ(labels_of(o), (Labels{{"1.jpg", 1}, {"2.jpg", 0}}));
  EXPECT_THAT(names_, ElementsAre("elk", "wolf"));
  EXPECT_EQ(read_manifest(o.output).selection, "labels: species");
}

TEST_F(WebDatasetTest, WhatIsNoSampleIsQuarantined) {
  write_tar("t.tar", {{"README", "hello"},
                      {"1.jpg", jpeg_},
                      {"1.cls", "0"},
                      {"2.jpg", jpeg_},  // no label
                      {"3.cls", "1"},    // no image
                      {"4.jpg", jpeg_},
                      {"4.cls", "-1"},  // timm's word for none
                      {"5.jpg", jpeg_.substr(0, 100)},
                      {"5.cls", "0"},
                      {"._6.jpg", jpeg_},
                      {"7.jpg", jpeg_},
                      {"7.png", png_},
                      {"7.cls", "0"},
                      {"1.jpg", png_},
                      {"1.cls", "0"}});  // again
  EXPECT_EQ(labels_of("wds:" + path("t.tar")), (Labels{{"1.jpg", 0}, {"7.jpg", 0}}));
  const auto reasons = quarantine("pack");
  EXPECT_THAT(reasons.at("README"), HasSubstr("not that of a part of a sample"));
  EXPECT_THAT(reasons.at("._6.jpg"), HasSubstr("not that of a part of a sample"));
  EXPECT_THAT(reasons.at("2.jpg"), HasSubstr("no label"));
  EXPECT_THAT(reasons.at("3"), HasSubstr("a sample without a .jpg"));
  EXPECT_THAT(reasons.at("4.jpg"), HasSubstr("no label"));
  EXPECT_THAT(reasons.at("1.jpg"), HasSubstr("a second file of this name"));
  EXPECT_TRUE(reasons.contains("5.jpg"));
  EXPECT_EQ(read_manifest(path("pack")).source_images, 2 + reasons.size());
  EXPECT_THAT(warnings_,
              ElementsAre(HasSubstr("1 samples have several images"),
                          HasSubstr("1 samples have the name of one before them in their tar"),
                          HasSubstr("no label for 2 samples, which are left out; the first: 2.jpg in")));
}

TEST_F(WebDatasetTest, ANameThatIsThereTwiceIsSaid) {
  const Members once = {{"1.jpg", jpeg_}, {"1.cls", "0"}, {"2.jpg", jpeg_}, {"2.cls", "1"}};
  Members twice = once;
  twice.insert(twice.end(), once.begin() + 2, once.end());  // the very next sample
  write_tar("t.tar", twice);
  EXPECT_EQ(labels_of("wds:" + path("t.tar")), (Labels{{"1.jpg", 0}, {"2.jpg", 1}}));
  const auto said = HasSubstr(
      "1 samples have the name of one before them in their tar and are left out; the first: "
      "2.jpg in " +
      path("t.tar"));
  EXPECT_THAT(warnings_, ElementsAre(said));
  EXPECT_THAT(quarantine("pack").at("2.jpg"), HasSubstr("a second file of this name"));
  EXPECT_EQ(read_manifest(path("pack")).source_images, 3U);
  // Read as it lies, too: nothing is lost unsaid.
  const auto direct = open_dataset("wds:" + path("t.tar"));
  EXPECT_EQ(direct->size(), 2);
  EXPECT_THAT(direct->warnings(), ElementsAre(said));
}

TEST_F(WebDatasetTest, NamesThatLeadOutAreRefused) {
  for (const char* name : {"../x", "/x", "a/../../x"}) {
    write_tar("t.tar", {{"1.jpg", jpeg_},
                        {"1.cls", "0"},
                        {name + std::string(".jpg"), jpeg_},
                        {name + std::string(".cls"), "0"}});
    const Error e = refusal("wds:" + path("t.tar"));
    EXPECT_EQ(e.code(), ExitCode::bad_data);
    EXPECT_THAT(e.what(),
                HasSubstr(fmt::format("--source wds:{}: the name {}.jpg leads out", path("t.tar"), name)));
    EXPECT_FALSE(fs::exists(dir_ / "pack/manifest.json"));
  }
  write_tar("t.tar", {{"a/..b.jpg", jpeg_}, {"a/..b.cls", "0"}, {"...c/1.jpg", jpeg_}, {"...c/1.cls", "1"}});
  EXPECT_EQ(labels_of("wds:" + path("t.tar")), (Labels{{"...c/1.jpg", 1}}));  // dots alone are no way out
}

// What a model is asked of: images of tars that nobody has labelled, of WebDataset's form or of none.
TEST_F(WebDatasetTest, UnlabelledImagesOfTars) {
  write_tar("t.tar", {{"1.jpg", jpeg_},
                      {"a/2.PNG", png_},
                      {"a/2.cls", "1"},
                      {"3.jpg", jpeg_},
                      {"3.cls", "-1"},
                      {"4.json", "not JSON"},
                      {"4.webp", jpeg_},
                      {"photo.of.5.jpg", jpeg_},
                      {"notes.txt", "no image"}});
  const std::string source = "wds:" + path("t.tar");
  const auto names = [](const Dataset& dataset) {
    std::vector<std::string> all;
    for (std::int64_t i = 0; i < dataset.size(); ++i) all.push_back(dataset.name(i));
    std::ranges::sort(all);
    return all;
  };
  const auto dataset = open_unlabelled(source);
  EXPECT_THAT(names(*dataset), ElementsAre("1.jpg", "3.jpg", "4.webp", "a/2.PNG", "photo.of.5.jpg"));
  EXPECT_EQ(dataset->read(0).encoded.size(), dataset->name(0) == "a/2.PNG" ? png_.size() : jpeg_.size());
  EXPECT_THAT(dataset->warnings(), ElementsAre(HasSubstr("a sample without a .jpg")));
  write_tar("plain.tar", {{"1.jpg", jpeg_}, {"2.jpg", jpeg_}});
  const auto plain = open_unlabelled("wds:" + path("plain.tar"));
  EXPECT_THAT(names(*plain), ElementsAre("1.jpg", "2.jpg"));
  EXPECT_EQ(plain->classes(), 0);
  EXPECT_EQ(plain->label(1), 0);
  put("labels.csv", "image,label,class\n2.jpg,2,wolf\n1.jpg,0,elk\n");  // what a model thinks of them
  const auto joined = open_dataset("wds:" + path("plain.tar"), {.labels = path("labels.csv")});
  ASSERT_EQ(joined->size(), 2);
  EXPECT_EQ(joined->classes(), 3);
  for (std::int64_t i = 0; i < 2; ++i) {
    EXPECT_EQ(joined->class_name(joined->label(i)), joined->name(i) == "2.jpg" ? "wolf" : "elk");
  }
  EXPECT_EQ(joined->class_id(1), "1");
  put("labels.csv", "image,label\n2.jpg,wolf\n");
  EXPECT_THAT(
      error_of([&] { open_dataset("wds:" + path("plain.tar"), {.labels = path("labels.csv")}); }).what(),
      HasSubstr("labels.csv: line 2: the label wolf is no index"));
  EXPECT_THAT(error_of([&] { open_dataset(path("plain.tar")); }).what(),
              HasSubstr("wds:" + path("plain.tar")));
}

TEST_F(WebDatasetTest, NamesThatTarsShareBeginWithTheTars) {
  write_tar("x/a.tar", {{"0.jpg", jpeg_}, {"0.cls", "0"}});
  write_tar("y/a.tar", {{"0.jpg", jpeg_}, {"0.cls", "0"}});
  EXPECT_THAT(refusal("wds:" + path("x/a.tar") + "::" + path("y/a.tar")).what(),
              HasSubstr("have the same name"));
  write_tar("w/a.tar", {{"0.jpg", jpeg_}, {"0.cls", "0"}});
  write_tar("w/b.tar", {{"0.jpg", jpeg_}, {"0.cls", "1"}, {"1.jpg", jpeg_}, {"1.cls", "0"}});
  EXPECT_EQ(labels_of("wds:" + path("w")), (Labels{{"a/0.jpg", 0}, {"b/0.jpg", 1}, {"b/1.jpg", 0}}));
}

TEST_F(WebDatasetTest, DamageAndWhatIsNoTar) {
  write_tar("w/t.tar", {{"1.jpg", jpeg_}, {"1.cls", "0"}, {"2.jpg", jpeg_}, {"2.cls", "1"}});
  const std::string whole = read_text(path("w/t.tar"));
  for (const std::size_t cut : {std::size_t{700}, whole.size() / 2, whole.size() - 1024, whole.size() - 1}) {
    put("w/t.tar", whole.substr(0, cut));
    const Error e = refusal("wds:" + path("w"));
    EXPECT_EQ(e.code(), ExitCode::bad_data) << cut;
    EXPECT_THAT(e.what(), HasSubstr("t.tar: "));
  }
  put("w/t.tar", whole);
  EXPECT_EQ(refusal("wds:" + path("w/t{,2}.tar")).code(), ExitCode::io);
  EXPECT_THAT(refusal("wds:" + path("w/t2.tar")).what(), HasSubstr("t2.tar"));
  EXPECT_THAT(refusal("wds:" + path("w/t.tar") + "::" + path("w/t.tar")).what(), HasSubstr("t.tar twice"));
  put("none/x", "");
  EXPECT_THAT(refusal("wds:" + path("none")).what(), HasSubstr("no tar inside"));
  tests::TarFile(path("z.tar.gz"), tests::TarFile::Packing::gzip).add("1.jpg", jpeg_);
  EXPECT_THAT(refusal("wds:" + path("z.tar.gz")).what(), HasSubstr("is compressed (gzip)"));
  write_tar("j.tar", {{"1.jpg", jpeg_}, {"1.json", "{\"label\": "}});
  EXPECT_THAT(refusal("wds:" + path("j.tar")).what(), HasSubstr("j.tar: 1.json: not JSON"));
  write_tar("n.tar", {{"1.jpg", jpeg_}, {"1.txt", "0"}});
  EXPECT_THAT(refusal("wds:" + path("n.tar")).what(), HasSubstr("no sample with a label"));
  write_tar("m.tar", {{"1.jpg", jpeg_}, {"1.cls", "0"}, {"2.jpg", jpeg_}, {"2.cls", "dog"}});
  EXPECT_THAT(refusal("wds:" + path("m.tar")).what(), HasSubstr("m.tar: 2: the label dog is no index"));
  write_tar("l.tar", {{"1.jpg", jpeg_}, {"1.cls", "caf\xe9"}});  // Latin-1
  EXPECT_EQ(refusal("wds:" + path("l.tar")).code(), ExitCode::bad_data);
  EXPECT_THAT(refusal("wds:" + path("l.tar")).what(), HasSubstr("l.tar: 1: the label caf\\xe9 is not UTF-8"));
}

// Bytes that this process has read from files so far.
std::uint64_t bytes_read() {
  std::ifstream io("/proc/self/io");
  std::string name;
  std::uint64_t bytes = 0;
  io >> name >> bytes;
  EXPECT_EQ(name, "rchar:");
  return bytes;
}

TEST_F(WebDatasetTest, IsListedByHeadersAndLabels) {
  Members members;
  for (int i = 0; i < 8; ++i) {
    members.emplace_back(fmt::format("{}.jpg", i), jpeg_ + std::string(std::size_t{4} << 20, 'x'));
    members.emplace_back(fmt::format("{}.cls", i), std::to_string(i % 2));
  }
  write_tar("t.tar", members);
  const std::uint64_t before = bytes_read();
  const auto source = open_source({.source = "wds:" + path("t.tar"), .shard_bytes = std::uint64_t{1} << 24});
  EXPECT_LT(bytes_read() - before, std::uint64_t{1} << 20);  // of 32 MiB
  EXPECT_EQ(source->images(), 8U);
  EXPECT_GT(source->shards(), 1U);
}

TEST_F(WebDatasetTest, SameBytesAtAnyNumberOfRanks) {
  for (int t = 0; t < 3; ++t) {
    Members members;
    for (int i = 0; i < 6; ++i) {
      members.emplace_back(fmt::format("{}-{}.jpg", t, i), jpeg_);
      members.emplace_back(fmt::format("{}-{}.cls", t, i), std::to_string(i % 4));
    }
    write_tar(fmt::format("w/{}.tar", t), members);
  }
  expect_same_bytes(options("wds:" + path("w"), "one", 3 * jpeg_.size()));
}

class CifarTest : public WebDatasetTest {
 protected:
  // Red is the number, green twice it, blue the column.
  static std::string record(const std::string& labels, int number) {
    std::string bytes = labels + std::string(1024, static_cast<char>(number)) +
                        std::string(1024, static_cast<char>(2 * number));
    for (int i = 0; i < 1024; ++i) bytes += static_cast<char>(i % 32);
    return bytes;
  }
  void put_cifar10(const std::string& folder) const {
    for (int b = 1; b <= 5; ++b) {
      put(folder + fmt::format("/data_batch_{}.bin", b),
          record(std::string(1, static_cast<char>(b % 3)), b) + record(std::string(1, '\2'), 10 + b));
    }
    put(folder + "/test_batch.bin", record(std::string(1, '\1'), 7));
    put(folder + "/batches.meta.txt", "airplane\nautomobile\nbird\n\n");
  }
  PackOptions with(const std::string& source, const std::string& split,
                   const std::string& labels = "") const {
    PackOptions o = options(source, "pack");
    o.split = split;
    o.labels = labels;
    return o;
  }
};

TEST_F(CifarTest, TenClassesFromFolderAndArchive) {
  put_cifar10("c/cifar-10-batches-bin");
  const Labels train = labels_of(with("cifar10:" + path("c"), "train"));
  EXPECT_EQ(train.size(), 10U);
  EXPECT_EQ(train.at("data_batch_4/00000"), 1U);
  EXPECT_EQ(train.at("data_batch_4/00001"), 2U);
  EXPECT_THAT(names_, ElementsAre("airplane", "automobile", "bird"));
  const auto from_folder = records("pack");
  const std::string& stored = from_folder.at("data_batch_4/00001").bytes;
  const Image image = decode_image(std::as_bytes(std::span(stored)));
  ASSERT_EQ(std::pair(image.width, image.height), std::pair(32, 32));
  for (const int at : {0, 31, 32 * 17 + 5, 1023}) {
    const auto pixel = image.rgb.begin() + 3 * at;
    EXPECT_THAT(std::vector<int>(pixel, pixel + 3), ElementsAre(14, 28, at % 32)) << at;
  }
  EXPECT_EQ(labels_of(with("cifar10:" + path("c"), "test")), (Labels{{"test_batch/00000", 1}}));
  {
    tests::TarFile tar(path("cifar-10-binary.tar.gz"), tests::TarFile::Packing::gzip);
    for (const auto& [name, bytes] : contents("c/cifar-10-batches-bin"))
      tar.add("cifar-10-batches-bin/" + name, bytes);
  }
  labels_of(with("cifar10:" + path("cifar-10-binary.tar.gz"), "train"));
  EXPECT_EQ(records("pack"), from_folder);
}

TEST_F(CifarTest, SameBytesAtAnyNumberOfRanks) {
  put_cifar10("c");
  PackOptions o = with("cifar10:" + path("c"), "train");
  o.shard_bytes = 6000;  // of two images
  expect_same_bytes(o);
}

TEST_F(CifarTest, HundredClassesAreFineOrCoarse) {
  put("c/train.bin", record(std::string("\1\3", 2), 9) + record(std::string("\0\1", 2), 8));
  put("c/test.bin", record(std::string("\0\2", 2), 5));
  put("c/fine_label_names.txt", "apple\nbear\ncup\ndog\n");
  put("c/coarse_label_names.txt", "food\nmammal\n");
  const std::string source = "cifar100:" + path("c");
  EXPECT_EQ(labels_of(with(source, "train")), (Labels{{"train/00000", 3}, {"train/00001", 1}}));
  EXPECT_EQ(names_.size(), 4U);
  const auto fine = records("pack");
  EXPECT_EQ(labels_of(with(source, "train", "coarse")), (Labels{{"train/00000", 1}, {"train/00001", 0}}));
  EXPECT_THAT(names_, ElementsAre("food", "mammal"));
  EXPECT_EQ(records("pack").at("train/00000").bytes, fine.at("train/00000").bytes);
  EXPECT_EQ(labels_of(with(source, "test")), (Labels{{"test/00000", 2}}));
  const auto refused = [&](const PackOptions& o) { return error_of([&] { pack(o); }); };
  EXPECT_EQ(refused(with(source, "train", "middle")).code(), ExitCode::refused);
  EXPECT_THAT(refused(with(source, "val")).hint(), HasSubstr("--split train or test"));
}

TEST_F(CifarTest, Damage) {
  put_cifar10("c");
  const auto refused = [&] { return error_of([&] { pack(with("cifar10:" + path("c"), "train")); }); };
  const std::string whole = read_text(path("c/data_batch_3.bin"));
  for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, whole.size() - 1, whole.size() / 2 + 1}) {
    put("c/data_batch_3.bin", whole.substr(0, cut));
    EXPECT_EQ(refused().code(), ExitCode::bad_data);
    EXPECT_THAT(refused().what(), HasSubstr(fmt::format("data_batch_3.bin: {} bytes, no multiple of", cut)));
  }
  put("c/data_batch_3.bin", whole);
  put("c/copy/data_batch_3.bin", whole);
  EXPECT_EQ(refused().code(), ExitCode::bad_data);
  EXPECT_THAT(refused().what(), HasSubstr("c: data_batch_3.bin is there twice, the second time as "));
  fs::remove_all(dir_ / "c/copy");
  put("c/batches.meta.txt", "avi\xf3n\ncoche\nave\n");
  EXPECT_EQ(refused().code(), ExitCode::bad_data);
  EXPECT_THAT(refused().what(), HasSubstr("batches.meta.txt: line 1 is not UTF-8"));
  put("c/batches.meta.txt", "airplane\nautomobile\nbird\n\n");
  put("c/data_batch_3.bin", record("\4", 1));
  EXPECT_THAT(refused().what(), HasSubstr("data_batch_3.bin: image 0 has the label 4, of 3 classes"));
  fs::remove(dir_ / "c/data_batch_3.bin");
  EXPECT_THAT(refused().what(), HasSubstr("no data_batch_3.bin inside"));
  EXPECT_THAT(refused().hint(), HasSubstr("binary version"));
}

}  // namespace
}  // namespace vitrail::datasets
