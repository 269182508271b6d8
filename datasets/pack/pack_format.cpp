#include "datasets/pack/pack_format.hpp"

#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/base/text/utf8.hpp"

namespace vitrail::datasets {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const FileEntry& e) { return {{"file", e.name}, {"bytes", e.bytes}, {"hash", e.hash}}; }
Json to_json(const ArrayEntry& e) { return {{"address", e.address}, {"bytes", e.bytes}, {"hash", e.hash}}; }
Json to_json(const Quarantined& e) { return {{"key", e.key}, {"reason", e.reason}}; }

Json to_json(const ShardEntry& e) {
  Json json = to_json(e.file);
  json["images"] = e.images;
  json["blob"] = to_json(e.blob);
  json["key"] = to_json(e.key);
  return json;
}

Json to_json(const ClassEntry& e) {
  Json json;
  json["name"] = e.name;
  if (!e.wnid.empty()) json["wnid"] = e.wnid;
  return json;
}

template <class T>
Json to_json(const std::vector<T>& entries) {
  Json list = Json::array();
  for (const T& e : entries) list.push_back(to_json(e));
  return list;
}

// Reads one JSON object strictly; errors name the file and the key.
class Reader {
 public:
  Reader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json_.is_object()) fail("is not an object");
  }

  std::uint64_t number(const char* key) const {
    const Json& value = get(key);
    if (!value.is_number_unsigned()) fail(fmt::format("{}: not a whole number", key));
    return value.get<std::uint64_t>();
  }
  std::string text(const char* key) const {
    const Json& value = get(key);
    if (!value.is_string()) fail(fmt::format("{}: not a text", key));
    return value.get<std::string>();
  }
  std::string hash(const char* key) const {
    std::string value = text(key);
    if (value.size() != 32 || value.find_first_not_of("0123456789abcdef") != std::string::npos) {
      fail(fmt::format("{}: not a hash of 32 hex digits", key));
    }
    return value;
  }
  Reader object(const char* key) const { return {get(key), where_ + ": " + key}; }
  std::vector<Reader> list(const char* key) const {
    const Json& value = get(key);
    if (!value.is_array()) fail(fmt::format("{}: not a list", key));
    std::vector<Reader> readers;
    for (std::size_t i = 0; i < value.size(); ++i) {
      readers.emplace_back(value[i], fmt::format("{}: {}[{}]", where_, key, i));
    }
    return readers;
  }
  bool has(const char* key) const { return json_.contains(key); }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ExitCode::bad_data, where_ + ": " + what);
  }

 private:
  const Json& get(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) fail(fmt::format("{} is missing", key));
    return *found;
  }

  const Json& json_;
  std::string where_;
};

FileEntry read_file_entry(const Reader& json, const std::string& expected_name) {
  if (json.text("file") != expected_name) json.fail(fmt::format("file: should be {}", expected_name));
  return {expected_name, json.number("bytes"), json.hash("hash")};
}

// A range that lies inside its file, so that later sums cannot overflow.
ArrayEntry read_array(const Reader& json, const FileEntry& file) {
  ArrayEntry e{json.number("address"), json.number("bytes"), json.hash("hash")};
  if (e.bytes > file.bytes || e.address > file.bytes - e.bytes) {
    json.fail(fmt::format("bytes {} to {} + {} lie outside the file of {} bytes", e.address, e.address,
                          e.bytes, file.bytes));
  }
  return e;
}

ShardEntry read_shard(const Reader& json, const std::string& expected_name) {
  ShardEntry e;
  e.file = read_file_entry(json, expected_name);
  e.images = json.number("images");
  e.blob = read_array(json.object("blob"), e.file);
  e.key = read_array(json.object("key"), e.file);
  return e;
}

// Pretty JSON whose last member is the hash of the same text without it.
std::string sealed(Json json) {
  const std::string hash = hash_text(json.dump(1)).hex();
  json["hash"] = hash;
  return json.dump(1) + "\n";
}

// The reverse. The hash comes first: of a text that is not as it was written, no member is worth a message.
Json unsealed(const std::string& text, const std::string& path) {
  constexpr std::string_view kHash = ",\n \"hash\": \"";
  const auto body = text.substr(0, text.rfind(kHash));
  if (text.substr(body.size()) != fmt::format("{}{}\"\n}}\n", kHash, hash_text(body + "\n}").hex())) {
    throw Error(ExitCode::bad_data, path + ": its own hash does not fit: the file was edited or damaged");
  }
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) throw Error(ExitCode::bad_data, path + ": not JSON");
  return json;
}

void check_sums(const Manifest& m, const std::string& path) {
  const auto demand = [&](bool holds, const char* what) {
    if (!holds) throw Error(ExitCode::bad_data, fmt::format("{}: {}", path, what));
  };
  std::uint64_t images = 0;
  demand(m.images >= 1 && m.images < (std::uint64_t{1} << 40) && m.key_bytes >= 1 && !m.shards.empty(),
         "images, key_bytes or shards cannot be");
  for (const ShardEntry& s : m.shards) {
    demand(s.images <= m.images - images, "the shards hold more images than the pack");
    demand(s.key.bytes / m.key_bytes == s.images && s.key.bytes % m.key_bytes == 0,
           "a shard's keys do not fit its number of images");
    images += s.images;
  }
  demand(images == m.images, "the shards hold fewer images than the pack");
  demand(m.source_images >= images && m.source_images - images == m.quarantined,
         "images and quarantined do not add up to source_images");
  const std::uint64_t offsets = images + m.shards.size();
  demand((m.index.offset.bytes == offsets * sizeof(std::uint32_t) ||
          m.index.offset.bytes == offsets * sizeof(std::uint64_t)) &&
             m.index.label.bytes == images * sizeof(std::uint32_t) &&
             m.index.crc32c.bytes == images * sizeof(std::uint32_t),
         "the index does not fit the number of images");
}

}  // namespace

std::string shard_name(std::uint64_t shard, std::uint64_t shards) {
  return fmt::format("shard-{:05}-of-{:05}.h5", shard, shards);
}

std::string to_text(const Manifest& m) {
  Json json;
  json["format"] = "vitrail-pack";
  json["version"] = kPackVersion;
  json["id"] = m.id;
  json["split"] = m.split;
  json["source"] = m.source;
  json["reencode"] = m.reencode;
  if (!m.selection.empty()) json["selection"] = m.selection;
  json["source_images"] = m.source_images;
  json["images"] = m.images;
  json["quarantined"] = m.quarantined;
  json["key_bytes"] = m.key_bytes;
  json["index"] = to_json(m.index.file);
  json["index"]["offset"] = to_json(m.index.offset);
  json["index"]["label"] = to_json(m.index.label);
  json["index"]["crc32c"] = to_json(m.index.crc32c);
  json["quarantine"] = to_json(m.quarantine);
  json["classes"] = to_json(m.classes);
  json["shards"] = to_json(m.shards);
  return sealed(std::move(json));
}

Manifest parse_manifest(const std::string& text, const std::string& path) {
  const Json json = unsealed(text, path);
  const Reader reader(json, path);
  if (reader.text("format") != "vitrail-pack") reader.fail("format: not a pack");
  if (reader.number("version") != kPackVersion) {
    reader.fail(fmt::format("version {} is not the one this program reads, {}", reader.number("version"),
                            kPackVersion));
  }
  Manifest m;
  m.id = reader.hash("id");
  m.split = reader.text("split");
  m.source = reader.text("source");
  m.reencode = reader.text("reencode");
  m.selection = reader.has("selection") ? reader.text("selection") : "";
  m.source_images = reader.number("source_images");
  m.images = reader.number("images");
  m.quarantined = reader.number("quarantined");
  m.key_bytes = reader.number("key_bytes");
  const Reader index = reader.object("index");
  m.index.file = read_file_entry(index, kIndexFile);
  m.index.offset = read_array(index.object("offset"), m.index.file);
  m.index.label = read_array(index.object("label"), m.index.file);
  m.index.crc32c = read_array(index.object("crc32c"), m.index.file);
  m.quarantine = read_file_entry(reader.object("quarantine"), kQuarantineFile);
  for (const Reader& e : reader.list("classes")) {
    m.classes.push_back({e.text("name"), e.has("wnid") ? e.text("wnid") : ""});
  }
  const auto shards = reader.list("shards");
  for (std::size_t i = 0; i < shards.size(); ++i)
    m.shards.push_back(read_shard(shards[i], shard_name(i, shards.size())));
  if (to_text(m) != text) reader.fail("not in the form that this program writes");
  check_sums(m, path);
  return m;
}

Manifest read_manifest(const std::filesystem::path& pack) {
  const auto path = pack / kManifestFile;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    throw Error(
        ExitCode::bad_data,
        fmt::format("{}: no {} here: not a pack, or one that is not finished", pack.string(), kManifestFile),
        "`vitrail pack --source folder:DIR` makes one of images; the command that began a pack also finishes "
        "it");
  }
  return parse_manifest(read_text(path), path.string());
}

std::string to_text(const ShardRecord& record) {
  return sealed({{"pack", record.pack_id},
                 {"shard", to_json(record.shard)},
                 {"quarantined", to_json(record.quarantined)}});
}

ShardRecord parse_shard_record(const std::string& text, const std::string& path,
                               const std::string& shard_file) {
  const Json json = unsealed(text, path);
  const Reader reader(json, path);
  ShardRecord record{reader.hash("pack"), read_shard(reader.object("shard"), shard_file), {}};
  for (const Reader& e : reader.list("quarantined"))
    record.quarantined.push_back({e.text("key"), e.text("reason")});
  if (to_text(record) != text) reader.fail("not in the form that this program writes");
  return record;
}

std::string to_line(const Quarantined& entry) { return to_json(entry).dump() + "\n"; }

std::string printable(const std::string& name) {
  const std::string text = name.substr(0, name.find_last_not_of('\0') + 1);
  const bool utf8 = is_utf8(text);
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= 0x20 && byte < 0x7f) || (byte >= 0x80 && utf8);
    out += plain ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return out;
}

}  // namespace vitrail::datasets
