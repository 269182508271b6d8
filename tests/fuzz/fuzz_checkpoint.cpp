// A checkpoint as a restore reads it. The input: the length of manifest.json's text, that text, the bytes of
// every rank's file; sizes and hashes are made to fit, so that only the reader's own checks stand in the way.

#include <nlohmann/json.hpp>

#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/fuzz_folder.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"

namespace vitrail::trainer {
namespace {

using Json = nlohmann::ordered_json;

bool is_plain(const Json& name) {
  constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyz0123456789-.";
  if (!name.is_string()) return false;
  const auto text = name.get<std::string>();
  return !text.empty() && text.size() < 64 && text[0] != '.' && text != "manifest.json" &&
         text.find_first_not_of(kLetters) == std::string::npos;
}

// The manifest with hashes that fit; its files with plain names are there, all with the same bytes.
std::string make_fit(Json json, const std::string& bytes, const tests::FuzzFolder& folder) {
  for (auto& file : json.contains("files") ? json["files"] : Json()) {
    if (!file.is_object() || !file.contains("name") || !is_plain(file["name"])) continue;
    file["bytes"] = bytes.size();
    file["xxh3_128"] = hash_text(bytes).hex();
    folder.put(file["name"].get<std::string>(), bytes);
  }
  json.erase("manifest_xxh3_128");
  json["manifest_xxh3_128"] = hash_text(json.dump()).hex();
  return json.dump();
}

void restore_everything(const std::filesystem::path& folder) {
  const CheckpointReader checkpoint(folder);
  checkpoint.verify();
  state_hash(checkpoint, StatePart::all);
  for (std::size_t p = 0; p < checkpoint.manifest().parameters.size(); ++p) {
    checkpoint.read_all<float>(sharding::StateKind::weight, p);
  }
}

}  // namespace
}  // namespace vitrail::trainer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitrail;
  const auto input = tests::text_and_bytes(data, size);
  if (!input) return 0;
  const auto& [text, bytes] = *input;
  const tests::FuzzFolder folder;
  const auto json = nlohmann::ordered_json::parse(text, nullptr, false);
  try {
    folder.put("manifest.json", json.is_object() ? trainer::make_fit(json, bytes, folder) : text);
  } catch (const nlohmann::json::exception&) {
    folder.put("manifest.json", text);  // no text in UTF-8
  }
  tests::expect_no_other_error([&] { trainer::restore_everything(folder.path()); });
  return 0;
}
