# What the classes of Rust jobs share. Every way that a job goes in checks its arguments, which Rust would first do where it
# runs: the class methods of Sidekiq, and what set(...) answers, which has the same. Not a middleware: that would see the jobs
# again that come back from the schedule, and a scheduler that is interrupted there loses them.
module KiqArguments
  attr_accessor :kiq_job

  def perform_async(*args)
    KiqArguments.check(kiq_job || self, args)
    super
  end

  def perform_in(interval, *args)
    KiqArguments.check(kiq_job || self, args)
    super
  end

  def perform_at(time, *args)
    KiqArguments.check(kiq_job || self, args)
    super
  end

  def perform_bulk(items, **options)
    items.each { |args| KiqArguments.check(kiq_job || self, args) }
    super
  end

  def set(options)
    super.extend(KiqArguments).tap { |setter| setter.kiq_job = kiq_job || self }
  end

  def self.check(job, args)
    names = job.instance_method(:perform).parameters
    least = names.count { |kind, _| kind == :req }
    return if args.size.between?(least, names.size)

    expected = least == names.size ? least : "#{least}..#{names.size}"
    raise ArgumentError, "wrong number of arguments (given #{args.size}, expected #{expected}) for the Rust job #{job}: " \
                         "#{names.map(&:last).join(', ')}"
  end

  # A class of that name in that module may be there already, if it is one of Sidekiq's.
  def self.check_name(parent, name)
    return unless parent.const_defined?(name, false)

    there = parent.const_get(name, false)
    return if there.is_a?(Class) && there.include?(Sidekiq::Worker)

    raise NameError, "#{there} is there already in Ruby and no Sidekiq job, so the Rust job of that name cannot be " \
                     "enqueued by it; give the job another name in Rust: #[kiq::job(name = \"...\")]"
  end
end unless defined?(KiqArguments)
