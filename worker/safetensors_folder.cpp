#include <algorithm>
#include <filesystem>
#include <set>

#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/json_text.h"
#include "worker/safetensors.h"

namespace brinkmap::worker {

namespace {

namespace fs = std::filesystem;

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kSuffix = ".safetensors";
constexpr std::size_t kMaxIndex = 100'000'000;  // bytes

bool is_plain_name(const std::string& file) {
  return file.size() <= 255 && file.ends_with(kSuffix) && file.front() != '.' &&
         file.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

// The one weights file of a folder without an index.
std::string single_file(const std::string& folder) {
  std::error_code error;
  if (fs::exists(fs::path(folder) / kSingle, error)) return kSingle;
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == kSuffix) found.push_back(entry.path().filename().string());
  if (error) throw InputError(folder, "", "cannot be listed: " + error.message());
  if (found.empty())
    throw InputError(
        folder, "", std::string("expected ") + kSingle + " or " + kIndex + " with its shards, found neither");
  if (found.size() > 1)
    throw InputError(folder, "",
                     std::to_string(found.size()) + " *.safetensors files, but no " + kIndex +
                         " that says which belong together");
  return found.front();
}

}  // namespace

void SafetensorsFolder::add_shard(const std::string& folder, const std::string& file) {
  const auto mapped = MappedFile::open((fs::path(folder) / file).string(), "a safetensors file");
  for (SafeTensor& tensor : parse_safetensors(mapped->bytes(), mapped->path())) {
    std::string name = tensor.name;
    const auto [it, inserted] = tensors_.emplace(std::move(name), std::move(tensor));
    if (!inserted)
      throw InputError(mapped->path(), tensor_place(it->first), "also stands in " + it->second.file);
  }
  bytes_ += mapped->bytes().size();
  mapped_.push_back(mapped);
  files_.push_back(file);
}

std::shared_ptr<const SafetensorsFolder> SafetensorsFolder::open(const std::string& folder) {
  const auto out = std::make_shared<SafetensorsFolder>();
  const std::string index_path = (fs::path(folder) / kIndex).string();
  std::error_code error;
  if (!fs::exists(index_path, error)) {
    out->add_shard(folder, single_file(folder));
    return out;
  }
  const nlohmann::json index = read_json_object(index_path, kMaxIndex);
  const JsonView map = JsonView(index, index_path).object("weight_map");
  std::set<std::string> shards;
  for (const auto& [name, file] : map.value().items()) {
    if (!file.is_string() || !is_plain_name(file.get_ref<const std::string&>()))
      throw InputError(
          index_path, tensor_place(name),
          "expected the name of a *.safetensors file in the same folder, found " + printable_json(file));
    shards.insert(file.get<std::string>());
  }
  if (shards.empty()) throw InputError(index_path, "key 'weight_map'", "lists no tensor");
  for (const std::string& shard : shards) out->add_shard(folder, shard);
  for (const auto& [name, file] : map.value().items())
    if (const SafeTensor* tensor = out->find(name);
        tensor == nullptr || fs::path(tensor->file).filename() != file.get_ref<const std::string&>())
      throw InputError((fs::path(folder) / file.get_ref<const std::string&>()).string(), tensor_place(name),
                       std::string("is not in the file, though ") + kIndex + " says so");
  for (const auto& [name, tensor] : out->tensors_)
    if (!map.value().contains(name))
      throw InputError(tensor.file, tensor_place(name), std::string("is not listed in ") + kIndex);
  out->bytes_ += fs::file_size(index_path);
  out->files_.push_back(kIndex);
  std::sort(out->files_.begin(), out->files_.end());
  return out;
}

std::shared_ptr<const SafetensorsFolder> SafetensorsFolder::of(std::vector<SafeTensor> tensors) {
  const auto out = std::make_shared<SafetensorsFolder>();
  for (SafeTensor& tensor : tensors) {
    std::string name = tensor.name;
    out->tensors_.emplace(std::move(name), std::move(tensor));
  }
  return out;
}

const SafeTensor* SafetensorsFolder::find(std::string_view name) const noexcept {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

}  // namespace brinkmap::worker
