# SPDX-License-Identifier: Apache-2.0
# libdrae (shared and static): what a line integrator links. drae_train: the rest, static, for the
# command and the tests.
foreach(room base model kernels line engine)
  list(APPEND DRAE_ENGINE_OBJECTS $<TARGET_OBJECTS:drae_${room}>)
endforeach()
if(DRAE_CUDA)
  list(APPEND DRAE_ENGINE_OBJECTS $<TARGET_OBJECTS:drae_kernels_cuda>)
  # Static, so that a line PC needs the driver alone.
  set(DRAE_CUDA_RUNTIME $<BUILD_INTERFACE:CUDA::cudart_static>)
  # An archive holds none of it: who links that, links the runtime (draeConfig.cmake.in finds it).
  set(DRAE_CUDA_OF_ARCHIVE $<INSTALL_INTERFACE:CUDA::cudart_static>)
endif()

add_library(drae_shared SHARED ${DRAE_ENGINE_OBJECTS})
set_target_properties(drae_shared PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME drae VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR} EXPORT_NAME drae)
add_library(drae_static STATIC ${DRAE_ENGINE_OBJECTS})
set_target_properties(drae_static PROPERTIES OUTPUT_NAME drae)
foreach(lib drae_shared drae_static)
  target_link_libraries(${lib} PRIVATE OpenMP::OpenMP_C m ${DRAE_CUDA_RUNTIME} $<BUILD_INTERFACE:drae_flags>)
  target_include_directories(${lib} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
target_link_libraries(drae_static PRIVATE ${DRAE_CUDA_OF_ARCHIVE})

if(DRAE_TRAIN)
  foreach(room io synth training kernels_onednn)
    list(APPEND DRAE_TRAIN_OBJECTS $<TARGET_OBJECTS:drae_${room}>)
  endforeach()
  add_library(drae_train STATIC ${DRAE_TRAIN_OBJECTS})
  target_link_libraries(drae_train PUBLIC drae_static drae_dependencies OpenMP::OpenMP_C)
endif()

include(DraeInstall)
