; Accesses by type, size, alignment and address space.

define i1 @bit(ptr %p) {
; CHECK-LABEL: @bit(
; CHECK: [[BYTE:%.*]] = call i8 @__castor_volatile_load_1(ptr %p)
; CHECK: trunc i8 [[BYTE]] to i1
  %v = load volatile i1, ptr %p
  ret i1 %v
}

define void @pair(ptr %p, <2 x float> %v) {
; CHECK-LABEL: @pair(
; CHECK: bitcast <2 x float> %v to i64
; CHECK: call void @__castor_volatile_store_8(
  store volatile <2 x float> %v, ptr %p
  ret void
}

define i24 @odd(ptr %p) {
; CHECK-LABEL: @odd(
; CHECK: {{.*}}@__castor_region_begin(ptr %p)
; CHECK-NEXT: {{.*}}load volatile i24
; CHECK-NEXT: {{.*}}@__castor_region_end(ptr %p)
; CHECK: @__castor_value(
  %v = load volatile i24, ptr %p
  ret i24 %v
}

define void @unaligned(ptr %p, i128 %v) {
; CHECK-LABEL: @unaligned(
; CHECK: {{.*}}@__castor_region_begin(ptr %p)
; CHECK: {{.*}}@__castor_region_output(ptr %p, i64 16)
  store volatile i128 %v, ptr %p, align 8
  ret void
}

define void @segment(ptr addrspace(257) %p) {
; CHECK-LABEL: @segment(
; CHECK-NEXT: store volatile
  store volatile i32 1, ptr addrspace(257) %p
  ret void
}

define void @ordered(ptr %p) {
; CHECK-LABEL: @ordered(
; CHECK: call void @__castor_store_4(ptr %p, i32 1, i32 3)
; CHECK: call i32 @__castor_load_4(ptr %p, i32 0)
; CHECK: fence seq_cst
  store atomic i32 1, ptr %p release, align 4
  %v = load atomic volatile i32, ptr %p monotonic, align 4
  fence seq_cst
  ret void
}
