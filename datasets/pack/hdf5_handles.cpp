#include "datasets/pack/hdf5_handles.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hdf5.h>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

static_assert(std::is_same_v<hid_t, std::int64_t>, "HDF5 1.10 or later is needed");
static_assert(std::endian::native == std::endian::little, "packs are read as they lie on disk");

herr_t keep_words(unsigned, const H5E_error2_t* error, void* words) {
  if (error->desc != nullptr) *static_cast<std::string*>(words) = error->desc;
  return 0;
}

[[noreturn]] void fail(ExitCode code, const std::filesystem::path& path, const std::string& what) {
  std::string words = "no further words";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_words, &words);  // ends with the innermost error
  throw Error(code, fmt::format("{}: HDF5 could not {}: {}", path.string(), what, words));
}

template <class Status>
Status check(Status status, ExitCode code, const std::filesystem::path& path, const std::string& what) {
  if (status < 0) fail(code, path, what);
  return status;
}

template <class... Arguments>
Hdf5Handle own(Hdf5Handle::Closer closer, hid_t id, Arguments&&... arguments) {
  return {check(id, std::forward<Arguments>(arguments)...), closer};
}

Hdf5Handle file_creation(const std::filesystem::path& path) {
  auto creation = own(H5Pclose, H5Pcreate(H5P_FILE_CREATE), ExitCode::io, path, "make a property list");
  check(H5Pset_obj_track_times(creation.id(), false), ExitCode::io, path, "switch time stamps off");
  return creation;
}

Hdf5Handle file_access(const std::filesystem::path& path) {
  // What goes wrong becomes an exception; the library shall not print beside it.
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  auto access = own(H5Pclose, H5Pcreate(H5P_FILE_ACCESS), ExitCode::io, path, "make a property list");
#if H5_VERSION_GE(1, 10, 7)
  check(H5Pset_file_locking(access.id(), false, true), ExitCode::io, path, "switch file locking off");
#endif
  return access;
}

Hdf5Handle memory_type(ElementType type, const std::filesystem::path& path) {
  using Kind = ElementType::Kind;
  hid_t base = H5T_STD_U8LE;
  if (type.kind == Kind::u16) base = H5T_STD_U16LE;
  if (type.kind == Kind::u32) base = H5T_STD_U32LE;
  if (type.kind == Kind::u64) base = H5T_STD_U64LE;
  if (type.kind == Kind::f32) base = H5T_IEEE_F32LE;
  if (type.kind == Kind::f64) base = H5T_IEEE_F64LE;
  if (type.kind == Kind::text) base = H5T_C_S1;
  auto copy = own(H5Tclose, H5Tcopy(base), ExitCode::io, path, "copy a type");
  if (type.kind == Kind::text) {
    check(H5Tset_size(copy.id(), type.text_bytes), ExitCode::io, path, "size a text type");
    check(H5Tset_strpad(copy.id(), H5T_STR_NULLPAD), ExitCode::io, path, "pad a text type");
    check(H5Tset_cset(copy.id(), H5T_CSET_UTF8), ExitCode::io, path, "make a text type UTF-8");
  }
  return copy;
}

ElementType element_type(const Hdf5Handle& stored, const std::filesystem::path& path,
                         const std::string& name) {
  using Kind = ElementType::Kind;
  if (H5Tget_class(stored.id()) == H5T_STRING && H5Tis_variable_str(stored.id()) == 0) {
    return {Kind::text, H5Tget_size(stored.id())};
  }
  for (const Kind kind : {Kind::u8, Kind::u16, Kind::u32, Kind::u64, Kind::f32, Kind::f64}) {
    if (H5Tequal(stored.id(), memory_type({kind}, path).id()) > 0) return {kind};
  }
  throw Error(ExitCode::bad_data,
              fmt::format("{}: /{} has elements of an unexpected type", path.string(), name));
}

}  // namespace

std::size_t ElementType::bytes() const {
  switch (kind) {
    case Kind::u8:
      return 1;
    case Kind::u16:
      return 2;
    case Kind::u32:
    case Kind::f32:
      return 4;
    case Kind::u64:
    case Kind::f64:
      return 8;
    case Kind::text:
      return text_bytes;
  }
  return 1;
}

std::uint64_t ArrayInfo::elements() const {
  return std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, std::multiplies<>());
}

Hdf5Handle::~Hdf5Handle() { close(); }

int Hdf5Handle::close() { return id_ < 0 ? 0 : closer_(std::exchange(id_, -1)); }

H5File H5File::create(const std::filesystem::path& path, std::uint64_t large_bytes, std::uint64_t alignment) {
  const auto access = file_access(path);
  const auto creation = file_creation(path);
  check(H5Pset_libver_bounds(access.id(), H5F_LIBVER_V18, H5F_LIBVER_V18), ExitCode::io, path,
        "choose the file format");
  check(H5Pset_alignment(access.id(), large_bytes, alignment), ExitCode::io, path, "set the alignment");
  return {path, own(H5Fclose, H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.id(), access.id()),
                    ExitCode::io, path, "create the file")};
}

H5File H5File::open(const std::filesystem::path& path) {
  const auto access = file_access(path);
  return {path, own(H5Fclose, H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()), ExitCode::bad_data, path,
                    "open the file")};
}

H5File H5File::in_memory(const std::string& name) {
  const auto access = file_access(name);
  const auto creation = file_creation(name);
  constexpr std::size_t kGrowBy = std::size_t{1} << 16;
  check(H5Pset_fapl_core(access.id(), kGrowBy, false), ExitCode::io, name, "choose memory");
  return {name, own(H5Fclose, H5Fcreate(name.c_str(), H5F_ACC_TRUNC, creation.id(), access.id()),
                    ExitCode::io, name, "create the file")};
}

void H5File::create_group(const std::string& name) {
  const std::string what = "create group /" + name;
  const auto creation = own(H5Pclose, H5Pcreate(H5P_GROUP_CREATE), ExitCode::io, path_, what);
  check(H5Pset_obj_track_times(creation.id(), false), ExitCode::io, path_, what);
  own(H5Gclose, H5Gcreate2(file_.id(), name.c_str(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), ExitCode::io,
      path_, what);
}

ArrayInfo H5File::create_array(const std::string& name, ElementType type,
                               const std::vector<std::uint64_t>& shape) {
  const std::string what = "create /" + name;
  const auto layout = own(H5Pclose, H5Pcreate(H5P_DATASET_CREATE), ExitCode::io, path_, what);
  check(H5Pset_layout(layout.id(), H5D_CONTIGUOUS), ExitCode::io, path_, what);
  check(H5Pset_alloc_time(layout.id(), H5D_ALLOC_TIME_EARLY), ExitCode::io, path_, what);
  check(H5Pset_fill_time(layout.id(), H5D_FILL_TIME_NEVER), ExitCode::io, path_, what);
  check(H5Pset_obj_track_times(layout.id(), false), ExitCode::io, path_, what);
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  const auto space = own(H5Sclose, H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr),
                         ExitCode::io, path_, what);
  const auto stored = memory_type(type, path_);
  own(H5Dclose,
      H5Dcreate2(file_.id(), name.c_str(), stored.id(), space.id(), H5P_DEFAULT, layout.id(), H5P_DEFAULT),
      ExitCode::io, path_, what);
  return array(name);
}

Hdf5Handle H5File::open_array(const std::string& name) const {
  return own(H5Dclose, H5Dopen2(file_.id(), name.c_str(), H5P_DEFAULT), ExitCode::bad_data, path_,
             "open /" + name);
}

ArrayInfo H5File::array(const std::string& name) const {
  const std::string what = "look at /" + name;
  const auto data = open_array(name);
  const auto space = own(H5Sclose, H5Dget_space(data.id()), ExitCode::bad_data, path_, what);
  const auto type = own(H5Tclose, H5Dget_type(data.id()), ExitCode::bad_data, path_, what);
  const auto layout = own(H5Pclose, H5Dget_create_plist(data.id()), ExitCode::bad_data, path_, what);
  if (H5Pget_layout(layout.id()) != H5D_CONTIGUOUS || H5Pget_nfilters(layout.id()) != 0 ||
      H5Pget_external_count(layout.id()) != 0) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: /{} is not one plain range of bytes (it is chunked, compact, "
                            "filtered or external)",
                            path_.string(), name));
  }
  std::vector<hsize_t> dims(static_cast<std::size_t>(
      check(H5Sget_simple_extent_ndims(space.id()), ExitCode::bad_data, path_, what)));
  check(H5Sget_simple_extent_dims(space.id(), dims.data(), nullptr), ExitCode::bad_data, path_, what);
  ArrayInfo info{element_type(type, path_, name), {dims.begin(), dims.end()}, 0};
  if (info.elements() == 0) return info;
  const haddr_t address = H5Dget_offset(data.id());
  if (address == HADDR_UNDEF) fail(ExitCode::bad_data, path_, "tell the address of /" + name);
  info.address = address;
  return info;
}

void H5File::transfer(const std::string& name, std::uint64_t first, std::uint64_t count, std::size_t bytes,
                      const std::byte* source, std::byte* target) const {
  const ExitCode code = source != nullptr ? ExitCode::io : ExitCode::bad_data;
  const std::string what =
      fmt::format("{} /{} from row {} on", source != nullptr ? "write" : "read", name, first);
  const ArrayInfo info = array(name);
  std::vector<hsize_t> start(info.shape.size(), 0), extent(info.shape.begin(), info.shape.end());
  start.at(0) = first;
  extent.at(0) = count;
  const auto elements = std::accumulate(extent.begin(), extent.end(), std::uint64_t{1}, std::multiplies<>());
  if (first > info.shape[0] || count > info.shape[0] - first || elements * info.type.bytes() != bytes) {
    throw Error(code, fmt::format("{}: /{} has the shape [{}], which does not fit rows {} to {}",
                                  path_.string(), name, fmt::join(info.shape, ", "), first, first + count));
  }
  if (bytes == 0) return;
  const auto data = open_array(name);
  const auto space = own(H5Sclose, H5Dget_space(data.id()), code, path_, what);
  check(H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, extent.data(), nullptr), code,
        path_, what);
  const auto memory = own(H5Sclose, H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
                          code, path_, what);
  const auto type = memory_type(info.type, path_);
  if (source != nullptr) {
    check(H5Dwrite(data.id(), type.id(), memory.id(), space.id(), H5P_DEFAULT, source), code, path_, what);
  } else {
    check(H5Dread(data.id(), type.id(), memory.id(), space.id(), H5P_DEFAULT, target), code, path_, what);
  }
}

void H5File::write(const std::string& name, std::uint64_t first, std::uint64_t count,
                   std::span<const std::byte> bytes) {
  if (!bytes.empty()) transfer(name, first, count, bytes.size(), bytes.data(), nullptr);
}

void H5File::read(const std::string& name, std::uint64_t first, std::uint64_t count,
                  std::span<std::byte> bytes) const {
  transfer(name, first, count, bytes.size(), nullptr, bytes.data());
}

void H5File::set_attribute(const std::string& name, const std::string& text) {
  const std::string what = "write attribute " + name;
  const auto type = memory_type({ElementType::Kind::text, std::max<std::size_t>(text.size(), 1)}, path_);
  const auto space = own(H5Sclose, H5Screate(H5S_SCALAR), ExitCode::io, path_, what);
  const auto attribute =
      own(H5Aclose, H5Acreate2(file_.id(), name.c_str(), type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT),
          ExitCode::io, path_, what);
  check(H5Awrite(attribute.id(), type.id(), text.c_str()), ExitCode::io, path_, what);
}

std::string H5File::attribute(const std::string& name) const {
  const std::string what = "read attribute " + name;
  const auto attribute =
      own(H5Aclose, H5Aopen(file_.id(), name.c_str(), H5P_DEFAULT), ExitCode::bad_data, path_, what);
  const auto stored = own(H5Tclose, H5Aget_type(attribute.id()), ExitCode::bad_data, path_, what);
  const ElementType type = element_type(stored, path_, name);
  if (type.kind != ElementType::Kind::text) fail(ExitCode::bad_data, path_, what + " as text");
  std::string text(type.text_bytes, '\0');
  check(H5Aread(attribute.id(), memory_type(type, path_).id(), text.data()), ExitCode::bad_data, path_, what);
  text.resize(std::min(text.size(), text.find('\0')));
  return text;
}

std::span<std::byte> H5File::image() {
  check(H5Fflush(file_.id(), H5F_SCOPE_GLOBAL), ExitCode::io, path_, "lay out the file");
  void* memory = nullptr;
  check(H5Fget_vfd_handle(file_.id(), H5P_DEFAULT, &memory), ExitCode::io, path_, "show its memory");
  hsize_t size = 0;
  check(H5Fget_filesize(file_.id(), &size), ExitCode::io, path_, "tell its size");
  return {*static_cast<std::byte**>(memory), static_cast<std::size_t>(size)};
}

void H5File::close() { check(file_.close(), ExitCode::io, path_, "close the file"); }

std::string hdf5_library() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("{}.{}.{}", major, minor, release);
}

}  // namespace vitrail::datasets
