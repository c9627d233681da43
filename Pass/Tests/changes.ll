; Changes that have a function of the runtime, and those that need a region.

define i32 @signed(ptr %p, i32 %v) {
; CHECK-LABEL: @signed(
; CHECK: call i32 @__castor_fetch_max_4(ptr %p, i32 %v, i32 5)
; CHECK: call i32 @__castor_fetch_min_4(ptr %p, i32 %v, i32 0)
  %a = atomicrmw max ptr %p, i32 %v seq_cst
  %b = atomicrmw min ptr %p, i32 %v monotonic
  %r = add i32 %a, %b
  ret i32 %r
}

define i8 @unsigned(ptr %p, i8 %v) {
; CHECK-LABEL: @unsigned(
; CHECK: call i8 @__castor_fetch_umax_1(ptr %p, i8 zeroext %v, i32 2)
; CHECK: call i8 @__castor_fetch_umin_1(ptr %p, i8 zeroext %v, i32 3)
  %a = atomicrmw umax ptr %p, i8 %v acquire
  %b = atomicrmw umin ptr %p, i8 %v release
  %r = add i8 %a, %b
  ret i8 %r
}

define float @floating(ptr %p, float %v) {
; CHECK-LABEL: @floating(
; CHECK-NEXT: call void @__castor_region_begin(ptr %p)
; CHECK-NEXT: %old = atomicrmw fadd ptr %p, float %v seq_cst
; CHECK-NEXT: call void @__castor_region_output(ptr %p, i64 4)
; CHECK-NEXT: call void @__castor_region_end(ptr %p)
; CHECK: [[RESULT:%.*]] = call i64 @__castor_value(i64
; CHECK: [[BITS:%.*]] = trunc i64 [[RESULT]] to i32
; CHECK-NEXT: [[FLOAT:%.*]] = bitcast i32 [[BITS]] to float
; CHECK-NEXT: ret float [[FLOAT]]
  %old = atomicrmw fadd ptr %p, float %v seq_cst
  ret float %old
}

define double @exchange(ptr %p, double %v) {
; CHECK-LABEL: @exchange(
; CHECK: [[BITS:%.*]] = bitcast double %v to i64
; CHECK: call i64 @__castor_exchange_8(ptr %p, i64 [[BITS]], i32 4)
  %old = atomicrmw xchg ptr %p, double %v acq_rel
  ret double %old
}

define i1 @weak(ptr %p, ptr %e, ptr %v) {
; CHECK-LABEL: @weak(
; CHECK: [[E:%.*]] = ptrtoint ptr %e to i64
; CHECK: [[OLD:%.*]] = call i64 @__castor_compare_exchange_8(ptr %p, i64 [[E]], i64 {{.*}}, i32 4, i32 0)
; CHECK: icmp eq i64 [[OLD]], [[E]]
  %both = cmpxchg weak ptr %p, ptr %e, ptr %v acq_rel monotonic
  %ok = extractvalue { ptr, i1 } %both, 1
  ret i1 %ok
}
