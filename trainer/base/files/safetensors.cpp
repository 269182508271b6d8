#include "trainer/base/files/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>

#include <nlohmann/json.hpp>

#include "trainer/base/error.hpp"
#include "trainer/base/files/foreign_file.hpp"

namespace vitrail {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own bound

float half_to_float(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000) << 16;
  const std::uint32_t exponent = (h >> 10) & 0x1f;
  const std::uint32_t mantissa = h & 0x3ff;
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1.0p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

[[noreturn]] void bad(const std::filesystem::path& path, const std::string& why,
                      const std::string& way_out = {}) {
  throw Error(ExitCode::bad_data, fmt::format("{}: not a usable safetensors file: {}", path.string(), why),
              way_out);
}

constexpr const char* kAgain = "copy or download it again, and compare its size with the original's";

// Elements of a shape, or nothing where a size is negative or the product overflows.
std::optional<std::uint64_t> product(const std::vector<std::int64_t>& shape) {
  std::uint64_t n = 1;
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (size != 0 && n > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) /
                             static_cast<std::uint64_t>(size)) {
      return std::nullopt;
    }
    n *= static_cast<std::uint64_t>(size);
  }
  return n;
}

}  // namespace

std::int64_t TensorInfo::elements() const {
  std::int64_t n = 1;
  for (const std::int64_t size : shape) n *= size;
  return n;
}

// A header is JSON of an object: its first byte is a brace. Anything else is called what it is, if known.
std::uint64_t SafetensorsReader::header_bytes() const {
  const std::uint64_t file_bytes = file_.size();
  std::string head(std::min<std::uint64_t>(file_bytes, kForeignHead), '\0');
  file_.read_at(0, std::as_writable_bytes(std::span(head)));
  std::uint64_t header = 0;
  if (head.size() > sizeof(header)) std::memcpy(&header, head.data(), sizeof(header));
  const bool plausible = header >= 2 && header <= kMaxHeaderBytes && head[sizeof(header)] == '{';
  if (!plausible) {
    if (file_bytes == 0) bad(path(), "it is empty", kAgain);
    if (const auto foreign = foreign_file(head)) bad(path(), "it is " + foreign->what, foreign->way_out);
    if (file_bytes <= sizeof(header)) bad(path(), fmt::format("it ends after {} bytes", file_bytes), kAgain);
  }
  if (header > kMaxHeaderBytes || (!plausible && header > file_bytes - sizeof(header))) {
    bad(path(), fmt::format("it claims a header of {} bytes in a file of {}", header, file_bytes));
  }
  if (header > file_bytes - sizeof(header)) {
    bad(path(), fmt::format("it is cut off: its header takes {} bytes, the file has {}", header, file_bytes),
        kAgain);
  }
  return header;
}

SafetensorsReader::SafetensorsReader(const std::filesystem::path& path) : file_(path, File::Mode::read) {
  const std::uint64_t header_bytes = this->header_bytes();
  std::string header(header_bytes, '\0');
  file_.read_at(8, std::as_writable_bytes(std::span(header)));
  data_begin_ = 8 + header_bytes;
  parse_header(header, file_.size() - data_begin_);
}

void SafetensorsReader::parse_header(const std::string& header, std::uint64_t data_bytes) {
  const nlohmann::json json = nlohmann::json::parse(header, nullptr, false);
  if (json.is_discarded() || !json.is_object()) bad(path(), "its header is not a JSON object");
  ByteRanges ranges;
  for (const auto& [name, entry] : json.items()) {
    try {
      if (name == "__metadata__") {
        metadata_ = entry.get<std::map<std::string, std::string>>();
        continue;
      }
      const auto type_name = entry.at("dtype").get<std::string>();
      const auto type = type_named(type_name);
      if (!type) bad(path(), fmt::format("tensor {} has unknown type {}", name, type_name));
      const auto offsets = entry.at("data_offsets").get<std::vector<std::uint64_t>>();
      TensorInfo info{*type, entry.at("shape").get<std::vector<std::int64_t>>(), 0, 0};
      if (offsets.size() != 2 || offsets[0] > offsets[1])
        bad(path(), fmt::format("tensor {} has no range of bytes", name));
      info.begin = offsets[0];
      info.end = offsets[1];
      const auto elements = product(info.shape);
      std::uint64_t bytes = 0;
      if (!elements || __builtin_mul_overflow(*elements, size_of(*type), &bytes) ||
          bytes != info.end - info.begin) {
        bad(path(),
            fmt::format("tensor {}: its shape does not fill its {} bytes", name, info.end - info.begin));
      }
      if (info.begin != info.end && !ranges.emplace(info.begin, std::pair(info.end, name)).second) {
        bad(path(), fmt::format("tensor {} overlaps another", name));
      }
      tensors_.emplace(name, std::move(info));
    } catch (const nlohmann::json::exception& e) {
      bad(path(), fmt::format("entry {}: {}", name, e.what()));
    }
  }
  check_ranges(ranges, data_bytes);
}

// Every byte behind the header is a tensor's, and of one alone.
void SafetensorsReader::check_ranges(const ByteRanges& ranges, std::uint64_t data_bytes) const {
  std::uint64_t end = 0, last = 0;
  for (const auto& [begin, range] : ranges) last = std::max(last, range.first);
  if (last > data_bytes) {
    bad(path(), fmt::format("it is cut off: its tensors take {} bytes, {} are there", last, data_bytes),
        kAgain);
  }
  for (const auto& [begin, range] : ranges) {
    if (begin < end) bad(path(), fmt::format("tensor {} overlaps another", range.second));
    if (begin > end) {
      bad(path(), fmt::format("{} bytes before tensor {} are no tensor's", begin - end, range.second),
          "write it anew with safetensors.torch.save_file");
    }
    end = range.first;
  }
  if (end < data_bytes) bad(path(), fmt::format("{} bytes follow its last tensor", data_bytes - end), kAgain);
}

const TensorInfo& SafetensorsReader::info(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    throw Error(ExitCode::bad_data, fmt::format("{}: it has no tensor named {}", path().string(), name));
  }
  return found->second;
}

void SafetensorsReader::read(const std::string& name, std::span<std::byte> bytes,
                             std::uint64_t offset) const {
  const TensorInfo& tensor = info(name);
  if (offset > tensor.end - tensor.begin || bytes.size() > tensor.end - tensor.begin - offset) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: tensor {} is shorter than what is wanted", path().string(), name));
  }
  file_.read_at(data_begin_ + tensor.begin + offset, bytes);
}

std::vector<double> SafetensorsReader::read_as_double(const std::string& name) const {
  const TensorInfo& tensor = info(name);
  const auto n = static_cast<std::size_t>(tensor.elements());
  std::vector<double> out(n);
  if (tensor.type == DataType::f64) {
    read(name, std::as_writable_bytes(std::span(out)));
    return out;
  }
  const std::vector<float> narrow = read_as_float(name);
  for (std::size_t i = 0; i < n; ++i) out[i] = narrow[i];
  return out;
}

std::vector<float> SafetensorsReader::read_as_float(const std::string& name) const {
  const TensorInfo& tensor = info(name);
  const auto n = static_cast<std::size_t>(tensor.elements());
  std::vector<float> out(n);
  switch (tensor.type) {
    case DataType::f32:
      read(name, std::as_writable_bytes(std::span(out)));
      return out;
    case DataType::f64: {
      std::vector<double> wide(n);
      read(name, std::as_writable_bytes(std::span(wide)));
      for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<float>(wide[i]);
      return out;
    }
    case DataType::f16:
    case DataType::bf16: {
      std::vector<std::uint16_t> bits(n);
      read(name, std::as_writable_bytes(std::span(bits)));
      const bool half = tensor.type == DataType::f16;
      for (std::size_t i = 0; i < n; ++i) {
        out[i] =
            half ? half_to_float(bits[i]) : std::bit_cast<float>(static_cast<std::uint32_t>(bits[i]) << 16);
      }
      return out;
    }
    default:
      throw Error(ExitCode::bad_data, fmt::format("{}: tensor {} has type {}, which is not floating point",
                                                  path().string(), name, name_of(tensor.type)));
  }
}

namespace {

File begin_temporary(const std::filesystem::path& path) {
  check_replaceable(path);
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  return {temporary, File::Mode::create};
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     const std::map<std::string, Entry>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : path_(path), file_(begin_temporary(path)) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  for (const auto& [name, entry] : tensors) {
    const std::uint64_t bytes = product(entry.shape).value() * size_of(entry.type);
    header[name] = {{"dtype", name_of(entry.type)},
                    {"shape", entry.shape},
                    {"data_offsets", {missing_, missing_ + bytes}}};
    missing_ += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // data starts 8-byte aligned
  const std::uint64_t header_bytes = text.size();
  file_.write(std::as_bytes(std::span(&header_bytes, 1)));
  file_.write(std::as_bytes(std::span(text)));
}

void SafetensorsWriter::append(std::span<const std::byte> bytes) {
  if (bytes.size() > missing_) {
    throw Error(ExitCode::crash, fmt::format("{}: more bytes than its tensors have", path_.string()));
  }
  file_.write(bytes);
  missing_ -= bytes.size();
}

void SafetensorsWriter::commit() {
  if (missing_ > 0)
    throw Error(ExitCode::crash,
                fmt::format("{}: {} bytes of its tensors are missing", path_.string(), missing_));
  file_.sync();
  const std::filesystem::path temporary = file_.path();
  file_.close();
  rename_durably(temporary, path_);
}

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, TensorBytes>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::map<std::string, SafetensorsWriter::Entry> entries;
  for (const auto& [name, tensor] : tensors) entries[name] = {tensor.type, tensor.shape};
  SafetensorsWriter writer(path, entries, metadata);
  for (const auto& [name, tensor] : tensors) writer.append(tensor.bytes);
  writer.commit();
}

}  // namespace vitrail
