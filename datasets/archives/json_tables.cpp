#include "datasets/archives/json_tables.hpp"

#include <cerrno>
#include <fstream>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

using Json = nlohmann::json;

class TableReader final : public nlohmann::json_sax<Json> {
 public:
  TableReader(std::string path, const std::function<void(const std::string&, const JsonRow&)>& on_row)
      : path_(std::move(path)), on_row_(on_row) {}

  bool null() override { return true; }
  bool boolean(bool value) override { return keep(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return keep(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return keep(std::to_string(value)); }
  bool number_float(number_float_t /*value*/, const string_t& text) override { return keep(text); }
  bool string(string_t& text) override { return keep(std::move(text)); }
  bool binary(binary_t& /*value*/) override { return true; }

  bool start_object(std::size_t /*members*/) override {
    ++depth_;
    return true;
  }
  bool end_object() override {
    if (in_table() && depth_ == row_depth()) {
      on_row_(table_, row_);
      row_.clear();
    }
    --depth_;
    return true;
  }
  bool start_array(std::size_t /*elements*/) override {
    if (depth_ == 0) is_array_ = true;
    if (depth_ + 1 == row_depth() - 1) table_depth_ = depth_ + 1;
    ++depth_;
    return true;
  }
  bool end_array() override {
    if (depth_ == table_depth_) table_depth_ = 0;
    --depth_;
    return true;
  }
  bool key(string_t& name) override {
    if (!is_array_ && depth_ == 1) table_ = name;
    if (depth_ == row_depth()) column_ = name;
    return true;
  }
  bool parse_error(std::size_t byte, const std::string& /*token*/, const Json::exception& e) override {
    throw Error(ExitCode::bad_data, fmt::format("{}: byte {}: no JSON, or cut: {}", path_, byte, e.what()),
                "is the file whole? Compare its size or checksum with the publisher's");
  }

 private:
  int row_depth() const { return is_array_ ? 2 : 3; }
  bool in_table() const { return table_depth_ > 0; }

  bool keep(std::string value) {
    if (in_table() && depth_ == row_depth()) row_[column_] = std::move(value);
    return true;
  }

  const std::string path_;
  const std::function<void(const std::string&, const JsonRow&)>& on_row_;
  int depth_ = 0, table_depth_ = 0;
  bool is_array_ = false;
  std::string table_, column_;
  JsonRow row_;
};

}  // namespace

void read_json_tables(const std::filesystem::path& path,
                      const std::function<void(const std::string& table, const JsonRow& row)>& on_row) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw io_error("cannot open", path, errno);
  TableReader reader(path.string(), on_row);
  Json::sax_parse(in, &reader);
  if (in.bad()) throw io_error("cannot read", path, EIO);
}

}  // namespace vitrail::datasets
